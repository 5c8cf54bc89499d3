/* SPDX-License-Identifier: MIT
 *
 * Text as Python sees it. Nothing here fails: odd bytes become U+FFFD, and buffers remember that they are full.
 */
#include "cli/pytext.h"

#include "cli/unprintable.h"

/* Number of bytes of the character that `lead` begins, 0 for none. */
static unsigned sequence_length(unsigned char lead)
{
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xc2 && lead < 0xe0) {
        return 2;
    }
    if (lead >= 0xe0 && lead < 0xf0) {
        return 3;
    }
    if (lead >= 0xf0 && lead < 0xf5) {
        return 4;
    }
    return 0;
}

uint32_t py_next(const char **p, const char *end)
{
    static const uint32_t lowest[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)*p;
    unsigned n = sequence_length(s[0]);
    if (n == 1) {
        *p += 1;
        return s[0];
    }
    if (n == 0 || (size_t)(end - *p) < n) {
        *p += 1;
        return 0xfffd;
    }
    uint32_t c = s[0] & (0x7fu >> n);
    for (unsigned i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            *p += 1;
            return 0xfffd;
        }
        c = c << 6 | (s[i] & 0x3fu);
    }
    if (c < lowest[n] || c > 0x10ffff) {
        *p += 1;
        return 0xfffd;
    }
    *p += n;
    return c;
}

size_t py_length(struct str s)
{
    size_t n = 0;
    for (const char *p = s.p, *end = s.p + s.n; p < end; n++) {
        py_next(&p, end);
    }
    return n;
}

bool py_printable(uint32_t c)
{
    size_t low = 0, high = TL_COUNT(unprintable);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c > unprintable[mid].last) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low == TL_COUNT(unprintable) || c < unprintable[low].first;
}

bool py_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

void py_repr(struct buf *b, struct str s)
{
    bool single = s.n && memchr(s.p, '\'', s.n), twofold = s.n && memchr(s.p, '"', s.n);
    char quote = single && !twofold ? '"' : '\'';
    buf_add_char(b, quote);
    for (const char *p = s.p, *end = s.p + s.n; p < end;) {
        const char *from = p;
        uint32_t c = py_next(&p, end);
        if (c == (unsigned char)quote || c == '\\') {
            buf_printf(b, "\\%c", (int)c);
        } else if (c == '\n' || c == '\r' || c == '\t') {
            buf_printf(b, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        } else if (c == 0xfffd) {
            buf_add_text(b, "\xef\xbf\xbd");
        } else if (py_printable(c)) {
            buf_add(b, from, (size_t)(p - from));
        } else if (c <= 0xff) {
            buf_printf(b, "\\x%02x", (unsigned)c);
        } else if (c <= 0xffff) {
            buf_printf(b, "\\u%04x", (unsigned)c);
        } else {
            buf_printf(b, "\\U%08x", (unsigned)c);
        }
    }
    buf_add_char(b, quote);
}

void py_plain(struct buf *b, struct str s)
{
    for (const char *p = s.p, *end = s.p + s.n; p < end;) {
        const char *from = p;
        uint32_t c = py_next(&p, end);
        if (c == 0xfffd || (c >= 0xd800 && c <= 0xdfff)) {
            buf_add_text(b, "\xef\xbf\xbd");
        } else {
            buf_add(b, from, (size_t)(p - from));
        }
    }
}

size_t py_space_before(struct str s)
{
    const char *p = s.p, *end = s.p + s.n;
    while (p < end) {
        const char *next = p;
        if (!py_space(py_next(&next, end))) {
            break;
        }
        p = next;
    }
    return (size_t)(p - s.p);
}

size_t py_space_behind(struct str s)
{
    const char *p = s.p, *end = s.p + s.n, *behind = s.p; /* end of the last character that is no space */
    while (p < end) {
        if (!py_space(py_next(&p, end))) {
            behind = p;
        }
    }
    return (size_t)(end - behind);
}
