/* SPDX-License-Identifier: MIT
 *
 * URLs of storages (journal/url.c). Whatever is accepted has parts without NUL inside the one block, and is shown without its
 * password.
 */
#include "base/mem.h"
#include "fuzz.h"
#include "journal/url.h"

static void check_part(const struct url *u, const char *part)
{
    if (part) {
        FUZZ_CHECK(part >= u->memory && part + strlen(part) <= u->memory + u->n_memory);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct url u;
    struct tl_err err = TL_ERR_INIT;
    struct buf b = BUF_INIT(1 << 20);
    char *text = mem_dup(bytes, n);
    FUZZ_CHECK(text != NULL);
    url_show_text(text, &b);
    FUZZ_CHECK(b.failed == 0);
    int rc = url_parse(text, &u, &err);
    FUZZ_CHECK(rc == TL_OK || (rc == TL_EINVAL && err.message[0] && !u.memory));
    if (rc == TL_OK) {
        const char *parts[] = {u.scheme, u.driver, u.user, u.password, u.host, u.path};
        for (size_t i = 0; i < TL_COUNT(parts); i++) {
            check_part(&u, parts[i]);
        }
        for (size_t i = 0; i < u.n_options; i++) {
            check_part(&u, u.options[i].key);
            check_part(&u, u.options[i].value);
            FUZZ_CHECK(url_option(&u, u.options[i].key) != NULL);
        }
        FUZZ_CHECK(url_unknown(&u) == NULL && u.port >= -1 && u.port <= 65535);
    }
    url_release(&u);
    buf_release(&b);
    mem_free(text);
    return 0;
}
