/* SPDX-License-Identifier: Apache-2.0
 *
 * Graphics processors as the files of a kernel name them.
 */
#include "run/runs.h"

#include "run/env.h"

static void files(const char *name, const char *text) {
    char path[256], folder[256];
    snprintf(path, sizeof path, "%.60s/%.150s", base, name);
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(ib__folder_make(folder, NULL), IB_OK);
    assert_int_equal(ib__file_write(path, text, strlen(text), NULL), IB_OK);
}

static void is(const char *wanted) {
    ib_value *map = ib__value_map();
    ib_buf text = {0};
    assert_true(ib__env_gpu(map, base));
    assert_true(ib__json_write(&text, map, IB_JSON_CANONICAL));
    assert_string_equal(text.data, wanted);
    ib__value_free(map);
    ib__buf_free(&text);
}

static void none(void **state) {
    (void)state;
    is("{\"driver\":\"none\",\"models\":[]}");
}

static void drm(void **state) {
    char command[400];
    (void)state;
    files("sys/class/drm/card0/device/vendor", "0x1002\n");
    files("sys/class/drm/card0/device/device", "0x73bf\n");
    files("sys/class/drm/card0-HDMI-A-1/status", "connected\n");
    files("sys/class/drm/renderD128/device/vendor", "0x1002\n");
    files("sys/class/drm/version", "drm 1.1.0 20060810\n");
    files("sys/module/amdgpu/version", "6.3.6\n");
    snprintf(command, sizeof command,
             "ln -s ../../../../bus/pci/drivers/amdgpu %s/sys/class/drm/card0/device/driver", base);
    assert_int_equal(system(command), 0);
    is("{\"driver\":\"amdgpu 6.3.6\",\"models\":[\"pci 0x1002:0x73bf\"]}");
}

static void nvidia(void **state) {
    (void)state;
    files("proc/driver/nvidia/version",
          "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"
          "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n");
    files("proc/driver/nvidia/gpus/0000:19:00.0/information",
          "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 230\n");
    files("proc/driver/nvidia/gpus/0000:3b:00.0/information", "Model: \t\t NVIDIA H200\n");
    files("sys/class/drm/card1/device/vendor", "0x10de\n");
    files("sys/class/drm/card1/device/device", "0x2330\n");
    is("{\"driver\":\"nvidia 535.104.05\",\"models\":[\"NVIDIA H100 80GB HBM3\",\"NVIDIA H200\","
       "\"pci 0x1002:0x73bf\"]}");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(none), cmocka_unit_test(drm),
                                       cmocka_unit_test(nvidia)};
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
