/* SPDX-License-Identifier: Apache-2.0
 *
 * Graphics processors and their driver, as the kernel's files name them: no program is run.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "run/env.h"

#define DEVICES_MAX 64

typedef struct devices {
    char models[DEVICES_MAX][160];
    size_t n;
    char driver[160];
} devices;

static bool first_line(char *out, size_t size, const char *path) {
    FILE *file = fopen(path, "r");
    bool good = file != NULL && fgets(out, (int)size, file) != NULL;
    if (file != NULL) fclose(file);
    if (good) out[strcspn(out, "\r\n")] = '\0';
    return good && out[0] != '\0';
}

static void add(devices *d, const char *model) {
    if (d->n < DEVICES_MAX) snprintf(d->models[d->n++], sizeof d->models[0], "%.159s", model);
}

/* /proc/driver/nvidia: "Model: NVIDIA H100" of each device; "NVRM version: NVIDIA UNIX x86_64 Kernel Module
 * 535.104.05  Sat Aug ...": the first word that is a number with a dot is the version. */
static void read_nvidia(devices *d, const char *root) {
    char path[600], text[256], **names = NULL;
    size_t n = 0;
    snprintf(path, sizeof path, "%.400s/proc/driver/nvidia/gpus", root);
    (void)ib__folder_names(&names, &n, path, NULL);
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%.300s/proc/driver/nvidia/gpus/%.160s/information", root, names[i]);
        if (ib__env_line(text, sizeof text, path, "Model")) add(d, text);
    }
    ib__names_free(names, n);
    snprintf(path, sizeof path, "%.400s/proc/driver/nvidia/version", root);
    if (!ib__env_line(text, sizeof text, path, "NVRM version")) return;
    char *save = NULL;
    for (char *word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        if (!isdigit((unsigned char)word[0]) || strchr(word, '.') == NULL) continue;
        snprintf(d->driver, sizeof d->driver, "nvidia %.100s", word);
        return;
    }
}

/* "card0", not "card0-HDMI-A-1" and "renderD128". */
static bool is_card(const char *name) {
    size_t n = strspn(name, "card");
    return n == 4 && strncmp(name, "card", 4) == 0 && name[4] != '\0' &&
           strspn(name + 4, "0123456789") == strlen(name + 4);
}

/* /sys/class/drm: numbers of vendor and device ("pci 0x1002:0x73bf"), and the kernel's module with its
 * version, if it has one of its own. */
static void read_drm(devices *d, const char *root) {
    char path[600], vendor[32], device[32], model[96], link[256], version[64], **names = NULL;
    size_t count = 0;
    snprintf(path, sizeof path, "%.400s/sys/class/drm", root);
    (void)ib__folder_names(&names, &count, path, NULL);
    for (size_t i = 0; i < count; i++) {
        if (!is_card(names[i])) continue;
        snprintf(path, sizeof path, "%.300s/sys/class/drm/%.60s/device/vendor", root, names[i]);
        if (!first_line(vendor, sizeof vendor, path)) continue;
        snprintf(path, sizeof path, "%.300s/sys/class/drm/%.60s/device/device", root, names[i]);
        if (!first_line(device, sizeof device, path)) continue;
        bool named = strcmp(vendor, "0x10de") == 0 && d->driver[0] != '\0';
        if (named) continue; /* /proc/driver/nvidia has told more of it */
        snprintf(model, sizeof model, "pci %.31s:%.31s", vendor, device);
        add(d, model);
        snprintf(path, sizeof path, "%.300s/sys/class/drm/%.60s/device/driver", root, names[i]);
        ssize_t n = readlink(path, link, sizeof link - 1);
        if (n <= 0 || d->driver[0] != '\0') continue;
        link[n] = '\0';
        const char *slash = strrchr(link, '/'), *module = slash != NULL ? slash + 1 : link;
        snprintf(path, sizeof path, "%.300s/sys/module/%.60s/version", root, module);
        bool own = first_line(version, sizeof version, path);
        snprintf(d->driver, sizeof d->driver, "%.60s%s%.60s", module, own ? " " : "", own ? version : "");
    }
    ib__names_free(names, count);
}

bool ib__env_gpu(ib_value *map, const char *root) {
    devices *d = calloc(1, sizeof *d);
    ib_value *models = ib__value_list();
    bool good = d != NULL && models != NULL;
    if (good) {
        read_nvidia(d, root);
        read_drm(d, root);
    }
    for (size_t i = 0; good && i < d->n; i++)
        good = ib__value_add(models, ib__value_string(d->models[i]));
    good = ib__value_set(map, "models", models) && good;
    if (good)
        good = ib__value_set(map, "driver", ib__value_string(d->driver[0] != '\0' ? d->driver : "none"));
    free(d);
    return good;
}
