/* SPDX-License-Identifier: MIT
 *
 * Functions of a user that happen to have the names of internal ones of ours. They must neither clash when the static library is
 * linked nor be called by it: each ends the program.
 */
#include <stdio.h>
#include <stdlib.h>

#define CLASH(name)                                                                                          \
    void name(void);                                                                                         \
    void name(void)                                                                                          \
    {                                                                                                        \
        printf("the library calls the user's " #name "\n");                                                  \
        exit(1);                                                                                             \
    }

CLASH(json_string)
CLASH(json_skip)
CLASH(buf_add)
CLASH(buf_reserve)
CLASH(state_new)
CLASH(state_apply)
CLASH(op_encode)
CLASH(err_set)
CLASH(mem_alloc)
CLASH(crc32c)
CLASH(store_commit)
CLASH(backend_open)

int os = 42; /* the name of our table of system calls */

int own_names(void);
int own_names(void)
{
    return os;
}
