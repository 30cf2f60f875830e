/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps that run image by image: a convolution whose result only a pool reads, and the gradient of a pool
 * that only the gradient of a kernel reads, are made a few images at a time just before they are read, by the
 * thread that reads them. The array between the two never exists: each worker has room for those few images,
 * which stay in its second-level cache.
 */
#include "graph/emit.h"

enum {
    LEAST_WORDS = 1 << 16,  /* of the whole array; smaller ones stay in the caches anyway */
    BLOCK_WORDS = 1 << 15,  /* images of a block together, if an image is not larger */
    IMAGE_WORDS = 1 << 17,  /* a larger image does not stay in the second-level cache */
    KERNEL_WORDS = 1 << 15, /* of a convolution: each block packs them again */
    PARTS = 4               /* for each thread, at least */
};

/* The two steps, and what the maker writes: its own result and, if that is not it, what the reader reads. */
typedef struct pair {
    int maker, reader, made, read;
    size_t images, block;
} pair;

/* The buffer that the step could read image by image, -1: none. A kernel gradient must go through the images
 * once: in groups of lanes, or in one part. */
static int read_by_images(const ib_step *s) {
    bool gradient = s->kind == IB_STEP_CONVOLUTION_GRAD_LANES ||
                    (s->kind == IB_STEP_CONVOLUTION_GRAD_KERNEL && s->parts == 1);
    if (gradient) return s->in[1];
    return s->kind == IB_STEP_POOL && !ib__pool_backward(s) ? s->in[0] : -1;
}

/* Does the step make the buffer, itself or by its epilogue, and no other array? */
static bool makes(const ib_plan *plan, const ib_step *s, int buffer) {
    if (s->epilogue < 0) return s->out == buffer;
    const ib_program *p = &plan->programs[s->epilogue];
    if (p->n_outputs == 0) return s->out == buffer;
    return p->n_outputs == 1 && plan->buffer_of[p->outputs[0].node] == buffer;
}

/* Does a step's epilogue cut samples where images begin? */
static bool whole_samples(const ib_plan *plan, const ib_step *s, size_t images) {
    return s->epilogue < 0 || !plan->programs[s->epilogue].samples ||
           plan->programs[s->epilogue].samples == images;
}

/* Can the maker of what the step reads run inside of it? Then sets the pair. */
static bool find_pair(const ib_plan *plan, int reader, pair *out) {
    const ib_step *s = &plan->steps[reader];
    int read = read_by_images(s), maker = read < 0 ? -1 : plan->buffers[read].first;
    if (maker < 0 || maker >= reader || s->maker >= 0) return false;
    const ib_step *m = &plan->steps[maker];
    bool gradient = s->kind != IB_STEP_POOL;
    if (m->maker >= 0 || m->inner || !makes(plan, m, read)) return false;
    if (gradient ? !ib__pool_backward(m) : m->kind != IB_STEP_CONVOLUTION) return false;
    const ib_conv_args *c = gradient ? &s->u.convolution : &m->u.convolution;
    const ib_buffer *b = &plan->buffers[read], *made = &plan->buffers[m->out];
    size_t images = c->n, image = b->words / (images ? images : 1);
    size_t kernel = c->kd * c->kh * c->kw * (c->ci / c->groups) * c->co;
    if (b->data || b->last != reader || b->uses != 2 || (m->out != read && made->uses != 1)) return false;
    if (b->words < LEAST_WORDS || image == 0 || image > IMAGE_WORDS || kernel > KERNEL_WORDS) return false;
    if (!whole_samples(plan, m, images) || !whole_samples(plan, s, images)) return false;
    size_t threads = ib__pool_threads(plan->pool), block = gradient ? 1 : BLOCK_WORDS / image + 1;
    size_t share = threads == 1 ? images : images / PARTS / threads; /* of a part, if it is to be a block */
    if (!gradient && block > share) block = share;
    *out = (pair){maker, reader, m->out, read, images, block};
    return block > 0;
}

static bool there_before(const ib_plan *plan, int buffer, int step) {
    return plan->buffers[buffer].given || plan->buffers[buffer].first < step;
}

/* Are all arrays that the reader needs besides made before the maker runs? */
static bool reader_may_come_first(ib_plan *plan, const pair *p) {
    const ib_step *s = &plan->steps[p->reader];
    if (s->kind != IB_STEP_POOL && !there_before(plan, s->in[0], p->maker)) return false;
    const ib_program *program = s->epilogue < 0 ? NULL : &plan->programs[s->epilogue];
    for (int i = 0; program && i < program->n_loads; i++) {
        if (program->loads[i].kind == IB_LOAD_CONSTANT) continue;
        int buffer = plan->buffer_of[program->loads[i].node];
        if (buffer != s->out && !there_before(plan, buffer, p->maker)) return false;
    }
    return true;
}

/* The reader takes the maker's place among the steps, and what it reads and writes lives from then on. */
static void join(ib_plan *plan, const pair *p) {
    ib_step *maker = &plan->steps[p->reader], *reader = &plan->steps[p->maker], other = *maker;
    *maker = *reader;
    *reader = other;
    maker->inner = true;
    maker->parts = 1;
    reader->maker = p->reader;
    reader->block = p->block;
    if (maker->kind == IB_STEP_CONVOLUTION) maker->u.convolution.n = p->block;
    for (size_t i = 0; i < plan->n_buffers; i++) {
        ib_buffer *b = &plan->buffers[i];
        if (b->first == p->reader) b->first = p->maker;
        if (b->last == p->reader) b->last = p->maker;
    }
    const int between[2] = {p->made, p->read};
    for (int i = 0; i < 2; i++) {
        ib_buffer *b = &plan->buffers[between[i]];
        b->last = p->reader; /* where the maker stands now, so that its epilogue may work in place */
        if (b->local) continue;
        b->local = b->words / p->images * p->block;
        b->words = ib__local_place(b->local, 0, ib__pool_threads(plan->pool));
    }
}

void ib__join_images(ib_plan *plan) {
    pair p;
    for (size_t i = 0; i < plan->n_steps; i++)
        if (find_pair(plan, (int)i, &p) && reader_may_come_first(plan, &p)) join(plan, &p);
}
