/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/mem.h"
#include "net/http_internal.h"

#define CERTS_MAX 1024		/* in one bundle */
#define BUNDLE_MAX (8u << 20)

struct http_tls {
	X509_STORE *trust;
	X509 *cert;
	STACK_OF(X509) *chain;
	EVP_PKEY *key;
};

/*
 * The system's bundle: mapped before the sandbox closes, so that its pages are
 * shared and clean; parsed (17 ms, 1 MiB) only by the process that needs it.
 */
static const char *system_pem;
static size_t system_len;
static X509_STORE *system_trust;

/* Where distributions keep it (Go's crypto/x509 root_linux.go). */
static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/pki/tls/cacert.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/cert.pem",
};

static int
map_bundle(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;

	if (fd == -1 || fstat(fd, &st) == -1 || st.st_size <= 0 ||
	    st.st_size > (off_t)BUNDLE_MAX)
		return (-1);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return (-1);
	system_pem = p;
	system_len = (size_t)st.st_size;
	return (0);
}

/* OpenSSL's hooks carry a file and a line. */
static void *
ssl_alloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return (http_mem_alloc(n));
}

static void *
ssl_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return (http_mem_realloc(p, n));
}

static void
ssl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	http_mem_free(p);
}

int
http_tls_global(struct err *err)
{
	const char *named = getenv("SSL_CERT_FILE");

	if (!CRYPTO_set_mem_functions(ssl_alloc, ssl_realloc, ssl_free))
		return (err_set(err, ERR_INTERNAL, "OpenSSL was in use before "
		    "its memory could be made to be wiped"));
	if (OPENSSL_init_ssl(0, NULL) != 1)
		return (err_set(err, ERR_INTERNAL,
		    "OpenSSL does not initialise"));
	if (named != NULL && *named != '\0' && map_bundle(named) == 0)
		return (0);
	for (size_t i = 0; i < ARRAY_LEN(bundles); i++)
		if (map_bundle(bundles[i]) == 0)
			break;
	return (0);
}

/* --- PEM ----------------------------------------------------------------- */

static int
no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return (-1);	/* never the terminal */
}

/* Certificates one after another; what is not one is passed over, as Go's
 * AppendCertsFromPEM does.  The number of them, -1 when ${add} refuses. */
static int
each_cert(const char *pem, size_t len, int (*add)(void *, X509 *), void *arg)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	int n = 0;
	X509 *x;

	while (bio != NULL && n < CERTS_MAX && (x = PEM_read_bio_X509(bio,
	    NULL, no_password, NULL)) != NULL) {
		if (add(arg, x) == -1) {
			X509_free(x);
			n = -1;
			break;
		}
		n++;
	}
	ERR_clear_error();
	BIO_free(bio);
	return (n);
}

static int
add_trust(void *arg, X509 *x)
{
	X509_STORE_add_cert(arg, x);	/* twice the same is fine */
	X509_free(x);
	return (0);
}

static int
add_chain(void *arg, X509 *x)
{
	struct http_tls *t = arg;

	if (t->cert == NULL) {
		t->cert = x;
		return (0);
	}
	return (sk_X509_push(t->chain, x) > 0 ? 0 : -1);
}

static int
load_trust(struct http_tls *t, const char *ca_pem, struct err *err)
{
	t->trust = X509_STORE_new();
	if (t->trust == NULL)
		return (err_set(err, ERR_INTERNAL, "OpenSSL: no memory"));
	if (each_cert(ca_pem, strlen(ca_pem), add_trust, t->trust) <= 0)
		return (err_set(err, ERR_INVALID,
		    "failed to parse certificates from CertPool"));
	return (0);
}

static int
load_system(struct http_tls *t, struct err *err)
{
	if (system_trust == NULL) {
		system_trust = X509_STORE_new();
		if (system_trust == NULL)
			return (err_set(err, ERR_INTERNAL,
			    "OpenSSL: no memory"));
		if (system_pem != NULL)
			each_cert(system_pem, system_len, add_trust,
			    system_trust);
	}
	X509_STORE_up_ref(system_trust);
	t->trust = system_trust;
	return (0);
}

/* Texts of Go's tls.X509KeyPair. */
static int
load_identity(struct http_tls *t, const char *cert_pem,
    const struct secret *key_pem, struct err *err)
{
	BIO *bio;

	t->chain = sk_X509_new_null();
	if (t->chain == NULL || strlen(cert_pem) > BUNDLE_MAX ||
	    each_cert(cert_pem, strlen(cert_pem), add_chain, t) <= 0)
		return (err_set(err, ERR_INVALID, "tls: failed to find any "
		    "PEM data in certificate input"));
	if (key_pem == NULL || secret_len(key_pem) > BUNDLE_MAX)
		return (err_set(err, ERR_INVALID,
		    "tls: failed to find any PEM data in key input"));
	bio = BIO_new_mem_buf(secret_data(key_pem), (int)secret_len(key_pem));
	t->key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL,
	    no_password, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (t->key == NULL)
		return (err_set(err, ERR_INVALID,
		    "tls: failed to find any PEM data in key input"));
	if (X509_check_private_key(t->cert, t->key) != 1) {
		ERR_clear_error();
		return (err_set(err, ERR_INVALID,
		    "tls: private key does not match public key"));
	}
	return (0);
}

int
http_tls_new(const char *ca_pem, const char *cert_pem,
    const struct secret *key_pem, struct http_tls **ret, struct err *err)
{
	struct http_tls *t;

	if (ca_pem != NULL && strlen(ca_pem) > BUNDLE_MAX)
		return (err_set(err, ERR_LIMIT,
		    "the CA bundle is larger than %u bytes", BUNDLE_MAX));
	t = mem_alloc(sizeof(*t));
	if ((ca_pem != NULL ? load_trust(t, ca_pem, err) :
	    load_system(t, err)) == -1 || (cert_pem != NULL &&
	    load_identity(t, cert_pem, key_pem, err) == -1)) {
		http_tls_free(t);
		return (-1);
	}
	*ret = t;
	return (0);
}

void
http_tls_free(struct http_tls *t)
{
	if (t == NULL)
		return;
	X509_STORE_free(t->trust);
	X509_free(t->cert);
	sk_X509_pop_free(t->chain, X509_free);
	EVP_PKEY_free(t->key);
	free(t);
}

int
http_tls_apply(const struct http_tls *t, void *ssl_ctx)
{
	SSL_CTX *ctx = ssl_ctx;

	/* What was decrypted does not stay in OpenSSL's record buffers. */
	SSL_CTX_set_options(ctx, SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set1_cert_store(ctx, t->trust);
	if (t->cert == NULL)
		return (0);
	if (SSL_CTX_use_certificate(ctx, t->cert) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, t->key) != 1 ||
	    SSL_CTX_set1_chain(ctx, t->chain) != 1) {
		ERR_clear_error();
		return (-1);
	}
	return (0);
}
