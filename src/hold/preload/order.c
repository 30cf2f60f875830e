/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders: readdir gives the names in bytewise order, whatever the file system does. A folder is read to its
 * end at the first call; positions of telldir and seekdir are then those of the sorted list.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "hold.h"

typedef struct listing {
    DIR *folder;
    struct dirent **entries; /* on 64-bit systems struct dirent64 is the same */
    size_t count, at;
    int problem; /* errno of the read that failed, told after the last entry */
    struct listing *next;
} listing;

static listing *listings;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int forward(const void *a, const void *b) {
    return strcmp((*(struct dirent *const *)a)->d_name, (*(struct dirent *const *)b)->d_name);
}

static int backward(const void *a, const void *b) {
    return forward(b, a);
}

static void free_listing(listing *l) {
    for (size_t i = 0; i < l->count; i++)
        free(l->entries[i]);
    free(l->entries);
    free(l);
}

/* The slot that points to the folder's listing, or to NULL at the end; the lock is held. */
static listing **find(DIR *folder) {
    listing **slot = &listings;
    while (*slot != NULL && (*slot)->folder != folder)
        slot = &(*slot)->next;
    return slot;
}

static bool add(listing *l, const struct dirent *entry) {
    if ((l->count & (l->count + 1)) == 0) { /* 0, 1, 3, 7 ...: room for the next power of two */
        struct dirent **more = realloc(l->entries, 2 * (l->count + 1) * sizeof *more);
        if (more == NULL) return false;
        l->entries = more;
    }
    struct dirent *copy = malloc(entry->d_reclen);
    if (copy == NULL) return false;
    memcpy(copy, entry, entry->d_reclen);
    l->entries[l->count++] = copy;
    return true;
}

static listing *read_all(DIR *folder) {
    listing *l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    l->folder = folder;
    for (;;) {
        errno = 0;
        struct dirent *entry = REAL(readdir)(folder);
        if (entry == NULL) break;
        if (add(l, entry)) continue;
        free_listing(l);
        return NULL;
    }
    l->problem = errno;
    if (l->count > 0)
        qsort(l->entries, l->count, sizeof *l->entries,
              ib_state()->order == IB_ORDER_REVERSED ? backward : forward);
    return l;
}

static struct dirent *next_entry(DIR *folder) {
    int before = errno;
    struct dirent *entry = NULL;
    pthread_mutex_lock(&lock);
    listing **slot = find(folder);
    if (*slot == NULL) *slot = read_all(folder);
    listing *l = *slot;
    if (l == NULL) {
        errno = ENOMEM;
    } else if (l->at < l->count) {
        entry = l->entries[l->at++];
        errno = before;
    } else {
        errno = l->problem != 0 ? l->problem : before;
    }
    pthread_mutex_unlock(&lock);
    return entry;
}

static bool ordered(void) {
    return ib_state()->on && ib_state()->order != IB_ORDER_AS_IS;
}

IB_EXPORT struct dirent *readdir(DIR *folder) {
    return ordered() ? next_entry(folder) : REAL(readdir)(folder);
}

IB_EXPORT struct dirent64 *readdir64(DIR *folder) {
    _Static_assert(sizeof(struct dirent) == sizeof(struct dirent64), "64-bit systems have one kind of entry");
    return ordered() ? (struct dirent64 *)next_entry(folder) : REAL(readdir64)(folder);
}

static void forget(DIR *folder) {
    pthread_mutex_lock(&lock);
    listing **slot = find(folder), *l = *slot;
    if (l != NULL) *slot = l->next;
    pthread_mutex_unlock(&lock);
    if (l != NULL) free_listing(l);
}

IB_EXPORT int closedir(DIR *folder) {
    if (ordered()) forget(folder);
    return REAL(closedir)(folder);
}

IB_EXPORT void rewinddir(DIR *folder) {
    if (ordered()) forget(folder);
    REAL(rewinddir)(folder);
}

/* Gives the position in a listing, after setting it if at >= 0; -1: the folder has none. */
static long position(DIR *folder, long at) {
    long result = -1;
    pthread_mutex_lock(&lock);
    listing *l = *find(folder);
    if (l != NULL && at >= 0) l->at = (size_t)at;
    if (l != NULL) result = (long)l->at;
    pthread_mutex_unlock(&lock);
    return result;
}

IB_EXPORT long telldir(DIR *folder) {
    long at = ordered() ? position(folder, -1) : -1;
    if (at >= 0) return at;
    return ordered() ? 0 : REAL(telldir)(folder);
}

IB_EXPORT void seekdir(DIR *folder, long at) {
    if (!ordered())
        REAL(seekdir)(folder, at);
    else if (position(folder, at) < 0 && at > 0 && next_entry(folder) != NULL)
        position(folder, at);
}
