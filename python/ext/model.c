/* SPDX-License-Identifier: Apache-2.0
 *
 * The types Model and Tensor. A tensor is a view of a model's or a prediction's own memory, without a copy;
 * it keeps its owner alive.
 */
#include "ext.h"

#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 64

static PyTypeObject *model_type, *tensor_type, *results_type;

/* ---- Tensors ---- */

typedef struct tensor {
    PyObject_HEAD PyObject *owner, *name, *dtype;
    void *data;
    int rank;
    bool writable;
    Py_ssize_t item, shape[8], strides[8];
} tensor;

/* NumPy's names and Python's codes for struct and the buffer protocol. */
static const struct code {
    const char *dtype, *format;
    Py_ssize_t size;
} codes[] = {{"bool", "?", 1},  {"uint8", "B", 1},   {"int8", "b", 1},    {"uint16", "H", 2},
             {"int16", "h", 2}, {"uint32", "I", 4},  {"int32", "i", 4},   {"uint64", "Q", 8},
             {"int64", "q", 8}, {"float16", "e", 2}, {"float32", "f", 4}, {"float64", "d", 8},
             {"int64", "l", 8}, {"uint64", "L", 8}}; /* last: other spellings */
#define N_CODES (sizeof codes / sizeof *codes)

static PyObject *tensor_new(const ib_view *view, PyObject *owner, bool writable) {
    tensor *t = PyObject_New(tensor, tensor_type);
    if (t == NULL) return NULL;
    t->owner = Py_NewRef(owner);
    t->name = PyUnicode_FromString(view->name);
    t->dtype = PyUnicode_FromString(view->dtype);
    t->data = view->data;
    t->rank = (int)view->rank;
    t->writable = writable;
    t->item = 1;
    for (size_t i = 0; i < N_CODES; i++)
        if (strcmp(codes[i].dtype, view->dtype) == 0) t->item = codes[i].size;
    Py_ssize_t step = t->item;
    for (int i = t->rank; i-- > 0;) {
        t->shape[i] = (Py_ssize_t)view->shape[i];
        t->strides[i] = step;
        step *= t->shape[i];
    }
    if (t->name != NULL && t->dtype != NULL) return (PyObject *)t;
    Py_DECREF(t);
    return NULL;
}

static void tensor_free(PyObject *self) {
    tensor *t = (tensor *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(t->owner);
    Py_XDECREF(t->name);
    Py_XDECREF(t->dtype);
    PyObject_Free(self);
    Py_DECREF(type);
}

static int tensor_buffer(PyObject *self, Py_buffer *out, int flags) {
    tensor *t = (tensor *)self;
    const char *dtype = PyUnicode_AsUTF8AndSize(t->dtype, NULL);
    if ((flags & PyBUF_WRITABLE) == PyBUF_WRITABLE && !t->writable) {
        PyErr_SetString(PyExc_BufferError, "predictions cannot be written");
        out->obj = NULL;
        return -1;
    }
    *out = (Py_buffer){.buf = t->data,
                       .obj = Py_NewRef(self),
                       .len = t->item,
                       .itemsize = t->item,
                       .readonly = !t->writable,
                       .ndim = t->rank,
                       .shape = t->shape,
                       .strides = t->strides};
    for (int i = 0; i < t->rank; i++)
        out->len *= t->shape[i];
    for (size_t i = N_CODES; i-- > 0;)
        if (dtype != NULL && strcmp(codes[i].dtype, dtype) == 0)
            out->format = (char *)(void *)codes[i].format;
    if ((flags & PyBUF_FORMAT) != PyBUF_FORMAT) out->format = NULL;
    return 0;
}

static PyObject *tensor_name(PyObject *self, void *closure) {
    (void)closure;
    return Py_NewRef(((tensor *)self)->name);
}

static PyObject *tensor_dtype(PyObject *self, void *closure) {
    (void)closure;
    return Py_NewRef(((tensor *)self)->dtype);
}

static PyObject *tensor_shape(PyObject *self, void *closure) {
    const tensor *t = (const tensor *)self;
    PyObject *shape = PyTuple_New(t->rank);
    (void)closure;
    for (int i = 0; shape != NULL && i < t->rank; i++) {
        PyObject *n = PyLong_FromSsize_t(t->shape[i]);
        if (n == NULL || PyTuple_SetItem(shape, i, n) != 0) Py_CLEAR(shape);
    }
    return shape;
}

static PyObject *tensor_repr(PyObject *self) {
    const tensor *t = (const tensor *)self;
    PyObject *shape = tensor_shape(self, NULL);
    PyObject *text =
        shape == NULL ? NULL : PyUnicode_FromFormat("<isobit tensor %U %S %U>", t->name, shape, t->dtype);
    Py_XDECREF(shape);
    return text;
}

static PyGetSetDef tensor_members[] = {
    {"name", tensor_name, NULL, "str: of a weight its path, of a prediction its output", NULL},
    {"dtype", tensor_dtype, NULL, "str: as NumPy's, \"float32\"", NULL},
    {"shape", tensor_shape, NULL, "tuple of int", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot tensor_slots[] = {
    {Py_tp_dealloc, (void *)tensor_free},
    {Py_bf_getbuffer, (void *)tensor_buffer},
    {Py_tp_getset, tensor_members},
    {Py_tp_repr, (void *)tensor_repr},
    {Py_tp_doc,
     (void *)(uintptr_t) "An array in isobit's memory; numpy.asarray(tensor) looks at it without a copy."},
    {0, NULL}};

/* ---- Results ---- */

typedef struct results {
    PyObject_HEAD ib_results *inner;
} results;

static void results_free(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    ib_results_free(((results *)self)->inner);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyType_Slot results_slots[] = {{Py_tp_dealloc, (void *)results_free}, {0, NULL}};

/* A list of tensors; takes over inner. */
static PyObject *results_list(ib_results *inner) {
    results *owner = PyObject_New(results, results_type);
    PyObject *list = owner != NULL ? PyList_New(0) : NULL;
    ib_view view;
    if (owner == NULL) {
        ib_results_free(inner);
        return NULL;
    }
    owner->inner = inner;
    for (size_t i = 0; list != NULL && ib_results_get(inner, i, &view); i++) {
        PyObject *t = tensor_new(&view, (PyObject *)owner, false);
        if (t == NULL || PyList_Append(list, t) != 0) Py_CLEAR(list);
        Py_XDECREF(t);
    }
    Py_DECREF(owner);
    return list;
}

/* ---- Arrays from Python ---- */

typedef struct fields {
    size_t n;
    ib_view views[FIELDS_MAX];
    Py_buffer buffers[FIELDS_MAX];
} fields;

static void release(fields *f) {
    for (size_t i = 0; i < f->n; i++)
        PyBuffer_Release(&f->buffers[i]);
    f->n = 0;
}

static const char *dtype_of(const Py_buffer *buffer) {
    const char *format = buffer->format != NULL ? buffer->format : "B";
    if (*format == '@' || *format == '=' || (*format == '<' && PY_LITTLE_ENDIAN)) format++;
    for (size_t i = 0; i < N_CODES; i++)
        if (strcmp(codes[i].format, format) == 0 && codes[i].size == buffer->itemsize) return codes[i].dtype;
    return NULL;
}

static bool take_field(fields *f, PyObject *pair) {
    PyObject *array;
    const char *name;
    ib_view *view = &f->views[f->n];
    Py_buffer *buffer = &f->buffers[f->n];
    if (!PyArg_ParseTuple(pair, "sO", &name, &array)) return false;
    if (PyObject_GetBuffer(array, buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) != 0) return false;
    f->n++;
    *view =
        (ib_view){.name = name, .dtype = dtype_of(buffer), .rank = (size_t)buffer->ndim, .data = buffer->buf};
    if (view->dtype == NULL) {
        PyErr_Format(PyExc_TypeError, "%s: expected numbers, found elements of the type \"%s\"", name,
                     buffer->format != NULL ? buffer->format : "B");
        return false;
    }
    for (int i = 0; i < buffer->ndim && i < 8; i++)
        view->shape[i] = buffer->shape[i];
    return true;
}

/* From a list of (name, array), which must outlive the fields. */
static bool take_fields(fields *f, PyObject *list) {
    Py_ssize_t n = PySequence_Size(list);
    f->n = 0;
    if (n < 0) return false;
    if (n > FIELDS_MAX) {
        PyErr_Format(PyExc_ValueError, "expected at most %d arrays, found %zd", FIELDS_MAX, n);
        return false;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *pair = PySequence_GetItem(list, i);
        bool good = pair != NULL && take_field(f, pair);
        Py_XDECREF(pair); /* the list keeps it */
        if (good) continue;
        release(f);
        return false;
    }
    return true;
}

/* ---- Models ---- */

typedef struct model {
    PyObject_HEAD ib_model *inner;
    bool busy; /* a call works on it */
} model;

static bool enter(model *m) {
    if (m->busy) PyErr_SetString(PyExc_RuntimeError, "another call works on this model");
    if (m->busy) return false;
    m->busy = true;
    return true;
}

static PyObject *model_of(PyTypeObject *type, ib_model *inner) {
    model *m = PyObject_New(model, type);
    if (m == NULL) {
        ib_model_free(inner);
        return NULL;
    }
    m->inner = inner;
    m->busy = false;
    return (PyObject *)m;
}

static void model_free(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    ib_model_free(((model *)self)->inner);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* load(path) -> Model */
static PyObject *load(PyObject *self, PyObject *arguments, PyObject *keywords) {
    const char *path;
    ext_call call;
    ib_model *inner = NULL;
    ib_status status;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "s:load", &path) || !ext_begin(&call, keywords, false)) return NULL;
    EXT_UNLOCKED(status = ib_model_load(&inner, path, &call.err));
    return ext_end(&call, status) ? model_of(model_type, inner) : NULL;
}

/* from_config(json, seed) -> Model */
static PyObject *from_config(PyObject *self, PyObject *arguments, PyObject *keywords) {
    const char *json;
    unsigned long long seed;
    ext_call call;
    ib_model *inner = NULL;
    ib_status status;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "sK:from_config", &json, &seed) || !ext_begin(&call, keywords, false))
        return NULL;
    EXT_UNLOCKED(status = ib_model_from_config(&inner, json, seed, &call.err));
    return ext_end(&call, status) ? model_of(model_type, inner) : NULL;
}

/* save(path) */
static PyObject *model_save(PyObject *self, PyObject *arguments, PyObject *keywords) {
    model *m = (model *)self;
    const char *path;
    ext_call call;
    ib_status status;
    if (!PyArg_ParseTuple(arguments, "s:save", &path) || !ext_begin(&call, keywords, false) || !enter(m))
        return NULL;
    EXT_UNLOCKED(status = ib_model_save(m->inner, path, &call.err));
    m->busy = false;
    return ext_end(&call, status) ? Py_NewRef(Py_None) : NULL;
}

/* compile(json) */
static PyObject *model_compile(PyObject *self, PyObject *arguments, PyObject *keywords) {
    model *m = (model *)self;
    const char *json;
    ext_call call;
    ib_status status;
    if (!PyArg_ParseTuple(arguments, "s:compile", &json) || !ext_begin(&call, keywords, false) || !enter(m))
        return NULL;
    EXT_UNLOCKED(status = ib_model_compile(m->inner, json, &call.err));
    m->busy = false;
    return ext_end(&call, status) ? Py_NewRef(Py_None) : NULL;
}

/* summary() -> text */
static PyObject *model_summary(PyObject *self, PyObject *arguments, PyObject *keywords) {
    model *m = (model *)self;
    ext_call call;
    ib_status status;
    (void)arguments;
    if (!enter(m)) return NULL;
    if (!ext_begin(&call, keywords, true)) {
        m->busy = false;
        return NULL;
    }
    EXT_UNLOCKED(status = ib_model_summary(m->inner, &call.options, &call.err));
    m->busy = false;
    return ext_end(&call, status) ? ext_text(&call) : NULL;
}

typedef int get_view(ib_model *model, size_t i, ib_view *out);

static PyObject *list_views(PyObject *self, get_view *get) {
    model *m = (model *)self;
    PyObject *list = PyList_New(0);
    ib_view view;
    for (size_t i = 0; list != NULL && get(m->inner, i, &view); i++) {
        PyObject *t = tensor_new(&view, self, true);
        if (t == NULL || PyList_Append(list, t) != 0) Py_CLEAR(list);
        Py_XDECREF(t);
    }
    return list;
}

/* weights() -> list of Tensor, in Keras's order */
static PyObject *model_weights(PyObject *self, PyObject *unused) {
    (void)unused;
    return list_views(self, ib_model_weight);
}

/* state() -> list of Tensor, in the order of Keras's optimizer.variables */
static PyObject *model_state(PyObject *self, PyObject *unused) {
    (void)unused;
    return list_views(self, ib_model_state);
}

/* state_written(): takes up what was written into state() */
static PyObject *model_state_written(PyObject *self, PyObject *unused) {
    ext_call call;
    (void)unused;
    if (!ext_begin(&call, NULL, false)) return NULL;
    ib_status status = ib_model_state_written(((model *)self)->inner, &call.err);
    return ext_end(&call, status) ? Py_NewRef(Py_None) : NULL;
}

/* fit(train, validation, settings, run, **options) -> digest; train, validation: lists of (name, array) */
static PyObject *model_fit(PyObject *self, PyObject *arguments, PyObject *keywords) {
    model *m = (model *)self;
    PyObject *train_list, *validation_list;
    const char *settings, *run;
    char digest[72] = "";
    fields train, validation;
    ext_call call;
    ib_status status;
    if (!PyArg_ParseTuple(arguments, "OOzz:fit", &train_list, &validation_list, &settings, &run) ||
        !ext_begin(&call, keywords, false) || !take_fields(&train, train_list))
        return NULL;
    if (!take_fields(&validation, validation_list) || !enter(m)) {
        release(&train);
        return NULL;
    }
    EXT_UNLOCKED(status = ib_fit(m->inner, train.views, train.n, validation.views, validation.n, settings,
                                 run, &call.options, digest, &call.err));
    m->busy = false;
    release(&train);
    release(&validation);
    return ext_end(&call, status) ? PyUnicode_FromString(digest) : NULL;
}

/* evaluate(data, batch_size, **options): scores go to progress */
static PyObject *model_evaluate(PyObject *self, PyObject *arguments, PyObject *keywords) {
    model *m = (model *)self;
    PyObject *list;
    Py_ssize_t batch_size;
    fields data;
    ext_call call;
    ib_status status;
    if (!PyArg_ParseTuple(arguments, "On:evaluate", &list, &batch_size) ||
        !ext_begin(&call, keywords, false) || !take_fields(&data, list))
        return NULL;
    if (!enter(m)) {
        release(&data);
        return NULL;
    }
    EXT_UNLOCKED(status =
                     ib_model_evaluate(m->inner, data.views, data.n,
                                       (size_t)(batch_size < 0 ? 0 : batch_size), &call.options, &call.err));
    m->busy = false;
    release(&data);
    return ext_end(&call, status) ? Py_NewRef(Py_None) : NULL;
}

/* predict(data, batch_size, **options) -> list of Tensor, one an output */
static PyObject *model_predict(PyObject *self, PyObject *arguments, PyObject *keywords) {
    model *m = (model *)self;
    PyObject *list;
    Py_ssize_t batch_size;
    fields data;
    ext_call call;
    ib_results *inner = NULL;
    ib_status status;
    if (!PyArg_ParseTuple(arguments, "On:predict", &list, &batch_size) ||
        !ext_begin(&call, keywords, false) || !take_fields(&data, list))
        return NULL;
    if (!enter(m)) {
        release(&data);
        return NULL;
    }
    EXT_UNLOCKED(status =
                     ib_model_predict(m->inner, data.views, data.n, (size_t)(batch_size < 0 ? 0 : batch_size),
                                      &call.options, &inner, &call.err));
    m->busy = false;
    release(&data);
    return ext_end(&call, status) ? results_list(inner) : NULL;
}

#define WITH_KEYWORDS(name, function)                                                                        \
    { name, (PyCFunction)(void (*)(void))function, METH_VARARGS | METH_KEYWORDS, NULL }
static PyMethodDef model_methods[] = {
    WITH_KEYWORDS("save", model_save),         WITH_KEYWORDS("compile", model_compile),
    WITH_KEYWORDS("summary", model_summary),   {"weights", model_weights, METH_NOARGS, NULL},
    {"state", model_state, METH_NOARGS, NULL}, {"state_written", model_state_written, METH_NOARGS, NULL},
    WITH_KEYWORDS("fit", model_fit),           WITH_KEYWORDS("evaluate", model_evaluate),
    WITH_KEYWORDS("predict", model_predict),   {NULL, NULL, 0, NULL}};

static PyType_Slot model_slots[] = {
    {Py_tp_dealloc, (void *)model_free}, {Py_tp_methods, model_methods}, {0, NULL}};

static PyMethodDef functions[] = {
    WITH_KEYWORDS("load", load), WITH_KEYWORDS("from_config", from_config), {NULL, NULL, 0, NULL}};

#define TYPE(name, type, slots)                                                                              \
    { name, (int)sizeof(type), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots }
static PyType_Spec model_spec = TYPE("isobit._isobit.Model", model, model_slots);
static PyType_Spec tensor_spec = TYPE("isobit._isobit.Tensor", tensor, tensor_slots);
static PyType_Spec results_spec = TYPE("isobit._isobit.Results", results, results_slots);

int ext_add_types(PyObject *module) {
    model_type = (PyTypeObject *)PyType_FromSpec(&model_spec);
    tensor_type = (PyTypeObject *)PyType_FromSpec(&tensor_spec);
    results_type = (PyTypeObject *)PyType_FromSpec(&results_spec);
    if (model_type == NULL || tensor_type == NULL || results_type == NULL) return -1;
    if (PyModule_AddObjectRef(module, "Model", (PyObject *)model_type) != 0 ||
        PyModule_AddObjectRef(module, "Tensor", (PyObject *)tensor_type) != 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
