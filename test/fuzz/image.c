/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG and PNG, decoded and resized. Images that say they are large are left out: they only take time.
 */
#include "fuzz.h"

#include "data/image.h"

static size_t number(const uint8_t *at, size_t n) {
    size_t x = 0;
    for (size_t i = 0; i < n; i++)
        x = x << 8 | at[i];
    return x;
}

static bool is_large(const uint8_t *bytes, size_t n) {
    if (n >= 24 && bytes[0] == 0x89) return number(bytes + 16, 4) * number(bytes + 20, 4) > 1 << 16;
    for (size_t i = 0; i + 9 < n; i++)
        if (bytes[i] == 0xff && bytes[i + 1] >= 0xc0 && bytes[i + 1] <= 0xcf &&
            number(bytes + i + 5, 2) * number(bytes + i + 7, 2) > 1 << 16)
            return true;
    return false;
}

static void parse(const uint8_t *bytes, size_t n) {
    static float out[5 * 7 * 4];
    if (is_large(bytes, n)) return;
    for (size_t channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1) {
        ib_image image = {0};
        ib_error err = {0};
        ib_status status = ib__image_decode(&image, bytes, n, channels, "image", &err);
        fuzz_check(status, &err);
        const ib_crop all = {0, 0, image.height, image.width};
        for (int how = 0; status == IB_OK && how <= (int)IB_RESIZE_AREA; how++)
            fuzz_check(ib__image_resize(out, 5, 7, &image, &all, (ib_resizing)how, &err), &err);
        ib__image_free(&image);
    }
}

IB_FUZZ("image")
