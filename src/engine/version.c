/* SPDX-License-Identifier: MIT
 *
 * Which library this is and what it was built with. Constants only.
 */
#include "base/base.h"

#include <trialog/trialog.h>

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

TL_API const char *tl_version(void)
{
    return TEXT(TL_VERSION_MAJOR) "." TEXT(TL_VERSION_MINOR) "." TEXT(TL_VERSION_PATCH);
}

TL_API const char *tl_features(void)
{
    return "file memory"
#ifdef TRIALOG_HAVE_SQLITE
           " sqlite"
#endif
#ifdef TRIALOG_HAVE_POSTGRES
           " postgresql"
#endif
#ifdef TRIALOG_HAVE_MYSQL
           " mysql"
#endif
#ifdef TRIALOG_HAVE_REDIS
           " redis"
#endif
        ;
}
