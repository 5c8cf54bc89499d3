/* SPDX-License-Identifier: MIT
 *
 * Lets a script put documents to base/json.h. Standard input: for each document its length in bytes on a line, then the
 * bytes. Standard output, one line each: "-" when it is refused, else the compact form, a tab, and the document read and
 * written again through the cursor.
 */
#include "base/json.h"
#include "support/json_rewrite.h"

#include <stdio.h>
#include <stdlib.h>

static void judge(struct str text, struct arena *a)
{
    struct buf compact = BUF_INIT(1 << 26), again = BUF_INIT(1 << 26);
    struct tl_err err = TL_ERR_INIT;
    struct json j = JSON_OF(text.p, text.n), k = j;
    struct str raw;
    int rc = json_compact(text, &compact, &err);
    int rc_walk = json_rewrite(&j, a, &again, &err);
    if (rc_walk == 0) {
        rc_walk = json_finish(&j, &err);
    }
    int rc_skip = json_skip(&k, &raw, &err);
    if (rc_skip == 0) {
        rc_skip = json_finish(&k, &err);
    }
    if (rc != rc_walk || rc != rc_skip) {
        printf("compact says %d, the cursor %d, skip %d\n", rc, rc_walk, rc_skip);
    } else if (rc != 0) {
        puts("-");
    } else {
        printf("%s\t%s\n", buf_cstr(&compact), buf_cstr(&again));
    }
    buf_release(&compact);
    buf_release(&again);
    arena_reset(a);
}

int main(void)
{
    struct arena a = {0};
    unsigned long n;
    while (scanf("%lu", &n) == 1 && getchar() == '\n') {
        char *text = malloc(n ? n : 1); /* exactly as long as the text: a sanitizer sees a step too far */
        if (!text || fread(text, 1, n, stdin) != n) {
            return 1;
        }
        judge((struct str){text, n}, &a);
        free(text);
    }
    arena_release(&a);
    return 0;
}
