/* SPDX-License-Identifier: Apache-2.0
 *
 * The module: experiments and runs in files; options, callbacks and exceptions for all calls.
 */
#include "ext.h"

#include <errno.h>
#include <string.h>

/* ---- Options ---- */

static void give_text(void *context, const char *text) {
    ext_call *call = context;
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *string = call->stopped ? NULL : PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    if (string != NULL && call->text != NULL) {
        PyObject *result = PyObject_CallFunctionObjArgs(call->text, string, NULL);
        Py_XDECREF(result);
    } else if (string != NULL && call->pieces != NULL) {
        PyList_Append(call->pieces, string);
    }
    Py_XDECREF(string);
    if (!call->stopped && PyErr_Occurred() != NULL) {
        PyErr_Fetch(&call->type, &call->value, &call->traceback);
        call->stopped = true;
    }
    PyGILState_Release(state);
}

static PyObject *scores_of(const ib_progress *p) {
    PyObject *scores = PyDict_New();
    for (size_t i = 0; scores != NULL && i < p->count; i++) {
        PyObject *value = PyFloat_FromDouble(p->values[i]);
        if (value == NULL || PyDict_SetItemString(scores, p->names[i], value) != 0) Py_CLEAR(scores);
        Py_XDECREF(value);
    }
    return scores;
}

/* progress(epoch, epochs, step, steps, seconds, scores, epoch_end) gives None, False or one of the answers.
 */
static int ask(const ext_call *call, const ib_progress *p) {
    PyObject *scores = scores_of(p);
    PyObject *result = scores == NULL
                           ? NULL
                           : PyObject_CallFunction(call->progress, "nnnndOi", (Py_ssize_t)p->epoch,
                                                   (Py_ssize_t)p->epochs, (Py_ssize_t)p->step,
                                                   (Py_ssize_t)p->steps, p->seconds, scores, p->epoch_end);
    Py_XDECREF(scores);
    if (result == NULL) return IB_STOP;
    long answer = result == Py_None ? IB_GO_ON : PyLong_AsLong(result);
    Py_DECREF(result);
    return PyErr_Occurred() != NULL ? IB_STOP : (int)answer;
}

/* After each step Python may look at its signals: Ctrl-C becomes KeyboardInterrupt. */
static int give_progress(void *context, const ib_progress *p) {
    ext_call *call = context;
    PyGILState_STATE state = PyGILState_Ensure();
    int answer = IB_GO_ON;
    if (call->stopped || PyErr_CheckSignals() != 0)
        answer = IB_STOP;
    else if (call->progress != NULL)
        answer = ask(call, p);
    if (!call->stopped && PyErr_Occurred() != NULL) {
        PyErr_Fetch(&call->type, &call->value, &call->traceback);
        call->stopped = true;
        answer = IB_STOP;
    }
    PyGILState_Release(state);
    return answer;
}

static PyObject *option(PyObject *keywords, const char *name) {
    PyObject *value = keywords != NULL ? PyDict_GetItemString(keywords, name) : NULL;
    return value == Py_None ? NULL : value;
}

bool ext_begin(ext_call *call, PyObject *keywords, bool keep) {
    *call = (ext_call){.text = option(keywords, "text"), .progress = option(keywords, "progress")};
    PyObject *threads = option(keywords, "threads"), *isa = option(keywords, "isa");
    PyObject *resume = option(keywords, "resume"), *json = option(keywords, "json");
    call->options = (ib_options){.text = give_text, .progress = give_progress, .context = call};
    if (threads != NULL) {
        size_t n = PyLong_AsSize_t(threads);
        if (PyErr_Occurred() != NULL) return false;
        call->options.threads = n;
    }
    if (isa != NULL && (call->options.isa = PyUnicode_AsUTF8AndSize(isa, NULL)) == NULL) return false;
    if (resume != NULL) call->options.resume = PyObject_IsTrue(resume);
    if (json != NULL) call->options.json = PyObject_IsTrue(json);
    if (call->options.resume < 0 || call->options.json < 0) return false;
    return !keep || call->text != NULL || (call->pieces = PyList_New(0)) != NULL;
}

static PyObject *exception_for(const ib_error *err) {
    if (err->code == IB_IO && strstr(err->text, strerror(ENOENT)) != NULL) return PyExc_FileNotFoundError;
    if (err->code == IB_IO && strstr(err->text, strerror(EACCES)) != NULL) return PyExc_PermissionError;
    switch (err->code) {
    case IB_BAD_INPUT:
        return PyExc_ValueError;
    case IB_UNSUPPORTED:
        return PyExc_NotImplementedError;
    case IB_IO:
        return PyExc_OSError;
    case IB_NO_MEMORY:
        return PyExc_MemoryError;
    case IB_INTERRUPTED:
        return PyExc_KeyboardInterrupt;
    default:
        return PyExc_RuntimeError;
    }
}

bool ext_end(ext_call *call, ib_status status) {
    if (call->stopped) {
        PyErr_Restore(call->type, call->value, call->traceback);
        Py_CLEAR(call->pieces);
        return false;
    }
    if (status == IB_OK || (status == IB_DIFFERS && call->err.code == IB_OK)) return true;
    const ib_error *err = &call->err;
    PyErr_Format(exception_for(err), "%s%s%s", err->where, err->where[0] != '\0' ? ": " : "",
                 err->text[0] != '\0' ? err->text : ib_status_text(status));
    Py_CLEAR(call->pieces);
    return false;
}

PyObject *ext_text(ext_call *call) {
    PyObject *empty = PyUnicode_FromString("");
    PyObject *text =
        empty == NULL || call->pieces == NULL ? Py_NewRef(Py_None) : PyUnicode_Join(empty, call->pieces);
    Py_XDECREF(empty);
    Py_CLEAR(call->pieces);
    return text;
}

/* ---- Experiments and runs ---- */

/* train(experiment, run, **options) -> digest */
static PyObject *train(PyObject *self, PyObject *arguments, PyObject *keywords) {
    const char *experiment, *run;
    char digest[72] = "";
    ext_call call;
    ib_status status;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "ss:train", &experiment, &run) || !ext_begin(&call, keywords, false))
        return NULL;
    EXT_UNLOCKED(status = ib_train(experiment, run, &call.options, digest, &call.err));
    return ext_end(&call, status) ? PyUnicode_FromString(digest) : NULL;
}

/* (same, text) of a call that compares. */
static PyObject *judged(ext_call *call, ib_status status) {
    if (!ext_end(call, status)) return NULL;
    PyObject *text = ext_text(call);
    return text == NULL ? NULL : Py_BuildValue("(NN)", PyBool_FromLong(status == IB_OK), text);
}

/* verify(run, goal, vary, **options) -> (same, text) */
static PyObject *verify(PyObject *self, PyObject *arguments, PyObject *keywords) {
    const char *run;
    ib_judgement how = {0};
    ext_call call;
    ib_status status;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "szz:verify", &run, &how.goal, &how.vary) ||
        !ext_begin(&call, keywords, true))
        return NULL;
    EXT_UNLOCKED(status = ib_verify(run, &how, &call.options, &call.err));
    return judged(&call, status);
}

/* audit(run, sample, **options) -> (same, text) */
static PyObject *audit(PyObject *self, PyObject *arguments, PyObject *keywords) {
    const char *run;
    Py_ssize_t sample;
    ext_call call;
    ib_status status;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "sn:audit", &run, &sample) || !ext_begin(&call, keywords, true))
        return NULL;
    if (sample < 0) {
        PyErr_Format(PyExc_ValueError, "sample: expected a number from 0 on, found %zd", sample);
        return NULL;
    }
    EXT_UNLOCKED(status = ib_audit(run, (size_t)sample, &call.options, &call.err));
    return judged(&call, status);
}

/* diff(run, run, **options) -> (same, text) */
static PyObject *diff(PyObject *self, PyObject *arguments, PyObject *keywords) {
    const char *a, *b;
    ext_call call;
    ib_status status;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "ss:diff", &a, &b) || !ext_begin(&call, keywords, true)) return NULL;
    EXT_UNLOCKED(status = ib_diff(a, b, &call.options, &call.err));
    return judged(&call, status);
}

static PyObject *told(ext_call *call, ib_status status) {
    return ext_end(call, status) ? ext_text(call) : NULL;
}

/* show(run) -> text */
static PyObject *show(PyObject *self, PyObject *arguments, PyObject *keywords) {
    const char *run;
    ext_call call;
    ib_status status;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "s:show", &run) || !ext_begin(&call, keywords, true)) return NULL;
    EXT_UNLOCKED(status = ib_show(run, &call.options, &call.err));
    return told(&call, status);
}

/* summary(file) -> text */
static PyObject *summary(PyObject *self, PyObject *arguments, PyObject *keywords) {
    const char *file;
    ext_call call;
    ib_status status;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "s:summary", &file) || !ext_begin(&call, keywords, true)) return NULL;
    EXT_UNLOCKED(status = ib_summary(file, &call.options, &call.err));
    return told(&call, status);
}

/* env() -> text */
static PyObject *env(PyObject *self, PyObject *arguments, PyObject *keywords) {
    ext_call call;
    ib_status status;
    (void)self;
    (void)arguments;
    if (!ext_begin(&call, keywords, true)) return NULL;
    EXT_UNLOCKED(status = ib_env(&call.options, &call.err));
    return told(&call, status);
}

/* kernels() -> text */
static PyObject *kernels(PyObject *self, PyObject *arguments, PyObject *keywords) {
    ext_call call;
    ib_status status;
    (void)self;
    (void)arguments;
    if (!ext_begin(&call, keywords, true)) return NULL;
    EXT_UNLOCKED(status = ib_kernels_list(&call.options, &call.err));
    return told(&call, status);
}

#define METHOD(name)                                                                                         \
    { #name, (PyCFunction)(void (*)(void))name, METH_VARARGS | METH_KEYWORDS, NULL }
static PyMethodDef methods[] = {METHOD(train), METHOD(verify),  METHOD(audit),
                                METHOD(diff),  METHOD(show),    METHOD(summary),
                                METHOD(env),   METHOD(kernels), {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_isobit", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__isobit(void);
PyMODINIT_FUNC PyInit__isobit(void) {
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) return NULL;
    if (ext_add_types(module) == 0 && PyModule_AddStringConstant(module, "version", ib_version()) == 0 &&
        PyModule_AddIntConstant(module, "contract", IB_CONTRACT_VERSION) == 0 &&
        PyModule_AddIntConstant(module, "END", IB_END) == 0 &&
        PyModule_AddIntConstant(module, "STOP", IB_STOP) == 0)
        return module;
    Py_DECREF(module);
    return NULL;
}
