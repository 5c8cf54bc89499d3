/* SPDX-License-Identifier: MIT
 *
 * TLS for Redis by OpenSSL, in memory: what is to be sent and what arrived lies in two buffers of OpenSSL's, and redis_io.c moves it. So
 * every system call stays in base/os.c, waits have limits, and no SIGPIPE comes.
 *
 * Happy path: a handshake of TLS 1.2 or newer, the server's certificate checked against the system's authorities (or ssl_ca_certs) and
 * against the host's name. Failure: TL_ENET with OpenSSL's reason; TL_EACCESS when the server wants another certificate of ours than
 * ssl_certfile, or one at all; TL_EUNSUPPORTED when OpenSSL is not installed. Invariants: libssl
 * and libcrypto are opened at the first rediss:// URL only; a certificate that does not fit ends the handshake, nothing is sent
 * behind it. Without OpenSSL's headers at build time there is no TLS, and the error says so.
 */
#include "journal/redis.h"

#include "base/err.h"

#ifdef TRIALOG_HAVE_OPENSSL

#include "journal/client_library.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define SSL_API(X)                                                                                           \
    X(TLS_client_method) X(SSL_CTX_new) X(SSL_CTX_free) X(SSL_CTX_ctrl) X(SSL_CTX_set_default_verify_paths)   \
    X(SSL_CTX_load_verify_locations) X(SSL_CTX_use_certificate_chain_file) X(SSL_CTX_use_PrivateKey_file)      \
    X(SSL_CTX_check_private_key) X(SSL_CTX_set_verify) X(SSL_new) X(SSL_free) X(SSL_set_bio) X(SSL_ctrl)       \
    X(SSL_set_connect_state) X(SSL_do_handshake) X(SSL_write_ex) X(SSL_read_ex) X(SSL_get_error) X(SSL_get0_param) \
    X(SSL_get_verify_result)
#define CRYPTO_API(X)                                                                                        \
    X(BIO_new) X(BIO_free) X(BIO_s_mem) X(BIO_read) X(BIO_write) X(BIO_ctrl) X(ERR_get_error) X(ERR_clear_error)          \
    X(ERR_reason_error_string) X(X509_VERIFY_PARAM_set1_host) X(X509_VERIFY_PARAM_set1_ip_asc)                \
    X(X509_verify_cert_error_string)

static struct { SSL_API(CLIENT_MEMBER) } ssl;
#define client_table ssl
static const struct client_symbol ssl_symbols[] = {SSL_API(CLIENT_SYMBOL)};
#undef client_table
static struct { CRYPTO_API(CLIENT_MEMBER) } crypto;
#define client_table crypto
static const struct client_symbol crypto_symbols[] = {CRYPTO_API(CLIENT_SYMBOL)};
static struct client_library ssl_library = {"TLS", "libssl3", {"libssl.so.3"}, ssl_symbols, TL_COUNT(ssl_symbols), &ssl, 0};
static struct client_library crypto_library = {
    "TLS", "libssl3", {"libcrypto.so.3"}, crypto_symbols, TL_COUNT(crypto_symbols), &crypto, 0};

struct redis_tls {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    bool checks;    /* the server's certificate */
    bool with_cert; /* of ours */
};

/* The newest error in OpenSSL's queue that has a reason; 0: none. Empties the queue. */
static unsigned long newest_error(void)
{
    unsigned long e, found = 0;
    while ((e = crypto.ERR_get_error()) != 0) {
        found = crypto.ERR_reason_error_string(e) ? e : found;
    }
    return found;
}

static int failed_with(struct tl_err *err, int code, const char *what, unsigned long e)
{
    const char *reason = e ? crypto.ERR_reason_error_string(e) : NULL;
    return err_set(err, code, "TLS: %s%s%s", what, reason ? ": " : "", reason ? reason : "");
}

static int failed(struct tl_err *err, int code, const char *what)
{
    return failed_with(err, code, what, newest_error());
}

static int use_own(struct redis_tls *t, const struct redis_url *u, struct tl_err *err)
{
    const char *key = u->key_file ? u->key_file : u->cert_file;
    if (ssl.SSL_CTX_use_certificate_chain_file(t->ctx, u->cert_file) != 1) {
        failed(err, TL_EINVAL, "no certificate can be read");
        return err_wrap(err, TL_EINVAL, "ssl_certfile=%s", u->cert_file);
    }
    if (ssl.SSL_CTX_use_PrivateKey_file(t->ctx, key, SSL_FILETYPE_PEM) != 1) {
        failed(err, TL_EINVAL, u->key_file ? "no key of this certificate can be read"
                               : "there is no key of this certificate, and no ssl_keyfile=FILE names one");
        return err_wrap(err, TL_EINVAL, "%s=%s", u->key_file ? "ssl_keyfile" : "ssl_certfile", key);
    }
    t->with_cert = true;
    return ssl.SSL_CTX_check_private_key(t->ctx) == 1 ? TL_OK
                                                      : failed(err, TL_EINVAL, "ssl_certfile and ssl_keyfile do not belong together");
}

static int use_files(struct redis_tls *t, const struct redis_url *u, struct tl_err *err)
{
    if (u->verify != REDIS_VERIFY_NONE) {
        int ok = u->ca_file ? ssl.SSL_CTX_load_verify_locations(t->ctx, u->ca_file, NULL)
                            : ssl.SSL_CTX_set_default_verify_paths(t->ctx);
        if (ok != 1) {
            return failed(err, TL_EINVAL, "the certificates of ssl_ca_certs cannot be read");
        }
        ssl.SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
        t->checks = true;
    }
    return u->cert_file ? use_own(t, u, err) : TL_OK;
}

static bool is_address(const char *host)
{
    return strchr(host, ':') || strspn(host, "0123456789.") == strlen(host);
}

static int make(struct redis_tls *t, const struct redis_url *u, struct tl_err *err)
{
    t->ctx = ssl.SSL_CTX_new(ssl.TLS_client_method());
    if (!t->ctx) {
        return failed(err, TL_ENOMEM, "cannot begin");
    }
    ssl.SSL_CTX_ctrl(t->ctx, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL);
    int rc = use_files(t, u, err);
    if (rc != TL_OK) {
        return rc;
    }
    t->ssl = ssl.SSL_new(t->ctx);
    t->in = crypto.BIO_new(crypto.BIO_s_mem());
    t->out = crypto.BIO_new(crypto.BIO_s_mem());
    if (!t->ssl || !t->in || !t->out) {
        crypto.BIO_free(t->in);
        crypto.BIO_free(t->out);
        return failed(err, TL_ENOMEM, "cannot begin");
    }
    ssl.SSL_set_bio(t->ssl, t->in, t->out);
    crypto.BIO_ctrl(t->in, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, NULL); /* empty: wait, not the end */
    if (u->verify == REDIS_VERIFY_FULL) {
        X509_VERIFY_PARAM *param = ssl.SSL_get0_param(t->ssl);
        if ((is_address(u->address.host) ? crypto.X509_VERIFY_PARAM_set1_ip_asc(param, u->address.host)
                                         : crypto.X509_VERIFY_PARAM_set1_host(param, u->address.host, 0)) != 1) {
            return failed(err, TL_EINVAL, "the host's name cannot be checked");
        }
    }
    if (!is_address(u->address.host)) {
        ssl.SSL_ctrl(t->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)u->address.host);
    }
    ssl.SSL_set_connect_state(t->ssl);
    return TL_OK;
}

struct redis_tls *redis_tls_new(const struct redis_url *u, struct tl_err *err)
{
    if (client_library_open(&crypto_library, err) != TL_OK || client_library_open(&ssl_library, err) != TL_OK) {
        return NULL;
    }
    struct redis_tls *t = mem_zalloc(1, sizeof *t);
    if (!t) {
        err_nomem(err);
        return NULL;
    }
    crypto.ERR_clear_error();
    if (make(t, u, err) != TL_OK) {
        redis_tls_free(t);
        return NULL;
    }
    return t;
}

void redis_tls_free(struct redis_tls *t)
{
    if (t) {
        ssl.SSL_free(t->ssl); /* and both buffers */
        ssl.SSL_CTX_free(t->ctx);
        mem_free(t);
    }
}

/* Does the server say that it is our certificate, or the lack of one, that it does not like? */
static bool about_ours(const struct redis_tls *t, unsigned long e)
{
    switch (ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_NO_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED: return true;
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE: return !t->with_cert; /* TLS 1.2 has no word of its own for that */
    default: return false;
    }
}

static enum redis_tls_step step_of(struct redis_tls *t, int rc, const char *what, struct tl_err *err)
{
    switch (ssl.SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_NONE: return TLS_DONE;
    case SSL_ERROR_WANT_READ: return TLS_MORE;
    case SSL_ERROR_WANT_WRITE: return TLS_FLUSH;
    default: break;
    }
    long verdict = ssl.SSL_get_verify_result(t->ssl);
    unsigned long e = newest_error();
    if (t->checks && verdict != X509_V_OK) {
        err_set(err, TL_ENET, "TLS: the server's certificate is refused: %s (ssl_ca_certs=FILE names another authority)",
                crypto.X509_verify_cert_error_string(verdict));
    } else if (about_ours(t, e)) {
        failed_with(err, TL_EACCESS, t->with_cert ? "the server refuses the certificate of ssl_certfile"
                    : "the server wants a certificate of ours (ssl_certfile=FILE and ssl_keyfile=FILE in the URL)", e);
    } else {
        failed_with(err, TL_ENET, what, e);
    }
    return TLS_FAILED;
}

enum redis_tls_step redis_tls_handshake(struct redis_tls *t, struct tl_err *err)
{
    crypto.ERR_clear_error();
    return step_of(t, ssl.SSL_do_handshake(t->ssl), "the handshake failed", err);
}

enum redis_tls_step redis_tls_write(struct redis_tls *t, const char *bytes, size_t n, size_t *taken, struct tl_err *err)
{
    crypto.ERR_clear_error();
    return step_of(t, ssl.SSL_write_ex(t->ssl, bytes, n, taken), "cannot write", err);
}

enum redis_tls_step redis_tls_read(struct redis_tls *t, char *bytes, size_t n, size_t *got, struct tl_err *err)
{
    *got = 0;
    crypto.ERR_clear_error();
    int rc = ssl.SSL_read_ex(t->ssl, bytes, n, got);
    if (rc != 1 && ssl.SSL_get_error(t->ssl, rc) == SSL_ERROR_ZERO_RETURN) {
        return TLS_DONE;
    }
    return step_of(t, rc, "cannot read", err);
}

size_t redis_tls_pending(struct redis_tls *t, char *out, size_t n)
{
    int got = crypto.BIO_read(t->out, out, (int)n);
    return got > 0 ? (size_t)got : 0;
}

bool redis_tls_feed(struct redis_tls *t, const char *bytes, size_t n)
{
    return crypto.BIO_write(t->in, bytes, (int)n) == (int)n;
}

#else

struct redis_tls *redis_tls_new(const struct redis_url *u, struct tl_err *err)
{
    (void)u;
    err_set(err, TL_EUNSUPPORTED, "rediss:// needs TLS, and this Trialog was built without OpenSSL's headers");
    return NULL;
}

void redis_tls_free(struct redis_tls *t)
{
    (void)t;
}

enum redis_tls_step redis_tls_handshake(struct redis_tls *t, struct tl_err *err)
{
    (void)t;
    (void)err;
    return TLS_FAILED;
}

enum redis_tls_step redis_tls_write(struct redis_tls *t, const char *bytes, size_t n, size_t *taken, struct tl_err *err)
{
    (void)t, (void)bytes, (void)n, (void)taken, (void)err;
    return TLS_FAILED;
}

enum redis_tls_step redis_tls_read(struct redis_tls *t, char *bytes, size_t n, size_t *got, struct tl_err *err)
{
    (void)t, (void)bytes, (void)n, (void)got, (void)err;
    return TLS_FAILED;
}

size_t redis_tls_pending(struct redis_tls *t, char *out, size_t n)
{
    (void)t, (void)out, (void)n;
    return 0;
}

bool redis_tls_feed(struct redis_tls *t, const char *bytes, size_t n)
{
    (void)t, (void)bytes, (void)n;
    return false;
}

#endif
