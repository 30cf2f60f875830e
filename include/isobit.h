/* SPDX-License-Identifier: Apache-2.0
 *
 * isobit: Keras training with the same bits everywhere. This header is the whole public API and its manual.
 *
 * Every call that meets the outside world returns an ib_status and takes an ib_error, which may be NULL. On
 * IB_OK the error is untouched; otherwise it says where and what. Handles are opaque; who owns what is said
 * at each call. Nothing here is global: calls on different handles may run in different threads.
 */
#ifndef ISOBIT_H
#define ISOBIT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(IB_BUILDING_LIBRARY) && defined(__GNUC__)
#define IB_API __attribute__((visibility("default")))
#else
#define IB_API
#endif

/* The version of the arithmetic contract (doc/numerics.md). Other bits mean another number. */
#define IB_CONTRACT_VERSION 1

/* Status codes: X(name, value, text, Python exception). The command's exit code is 0 for IB_OK, 1 for
 * IB_DIFFERS and 2 for all others. */
#define IB_STATUS_LIST(X)                                                                                    \
    X(IB_OK, 0, "ok", "")                                                                                    \
    X(IB_DIFFERS, 1, "differs", "")                                                                          \
    X(IB_BAD_INPUT, 2, "bad input", "ValueError")                                                            \
    X(IB_UNSUPPORTED, 3, "not supported", "NotImplementedError")                                             \
    X(IB_IO, 4, "input or output failed", "OSError")                                                         \
    X(IB_NO_MEMORY, 5, "out of memory", "MemoryError")                                                       \
    X(IB_INTERRUPTED, 6, "interrupted", "KeyboardInterrupt")                                                 \
    X(IB_INTERNAL, 7, "internal error", "RuntimeError")

typedef enum ib_status {
#define X(name, value, text, exception) name = value,
    IB_STATUS_LIST(X)
#undef X
} ib_status;

/* What went wrong. where: file and place ("cnn.keras, layers[3] conv2d_2", "exp.yaml:12:5 fit.epochs");
 * text: what was expected and what was found. Both are NUL-terminated. The first error wins. */
typedef struct ib_error {
    ib_status code;
    char where[256];
    char text[512];
} ib_error;

/* "ok", "bad input" ...: one static string a code. */
IB_API const char *ib_status_text(ib_status status);

/* The library's version, for example "0.1.0". Static. */
IB_API const char *ib_version(void);

#ifdef __cplusplus
}
#endif
#endif
