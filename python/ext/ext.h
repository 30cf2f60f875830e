/* SPDX-License-Identifier: Apache-2.0
 *
 * The extension module isobit._isobit: the public header for Python, with the stable ABI of CPython 3.11. It
 * does no arithmetic: arrays come and go by the buffer protocol.
 */
#ifndef IB_PYTHON_EXT_H
#define IB_PYTHON_EXT_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <stdbool.h>

#include "isobit.h"

/* What one call needs: options, and the Python functions behind them. */
typedef struct ext_call {
    ib_options options;
    ib_error err;
    PyObject *text, *progress; /* borrowed; NULL: none */
    PyObject *pieces;          /* a list of text, when text is NULL and it shall be kept */
    bool stopped;              /* a Python exception is set and waits */
    PyObject *type, *value, *traceback;
} ext_call;

/* Reads the dict of keywords `threads`, `isa`, `resume`, `json`, `text`, `progress` (all may be missing or
 * None). keep: text that goes nowhere else is kept in pieces. false: an exception is set. */
bool ext_begin(ext_call *call, PyObject *keywords, bool keep);
/* Whatever the call held; then, if status is not IB_OK (nor IB_DIFFERS), sets the exception. true: good. */
bool ext_end(ext_call *call, ib_status status);
/* The text kept, a new reference. */
PyObject *ext_text(ext_call *call);

/* Runs an expression without the GIL. */
#define EXT_UNLOCKED(expression)                                                                             \
    do {                                                                                                     \
        PyThreadState *saved = PyEval_SaveThread();                                                          \
        expression;                                                                                          \
        PyEval_RestoreThread(saved);                                                                         \
    } while (0)

/* model.c: the types Model and Tensor. */
int ext_add_types(PyObject *module);

#endif
