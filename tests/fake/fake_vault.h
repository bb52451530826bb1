/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FAKE_VAULT_H
#define TESTS_FAKE_VAULT_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "net/http.h"

/*
 * For unit tests: start tests/fake/vault.py, tell it what to hold and how to
 * misbehave, read what it was asked.  A failure to start ends the test program.
 */
struct fake_vault {
	pid_t pid;
	int port;
	char dir[64];		/* of this run: certificates, log */
	char url[64];
	char *ca;		/* PEM, NULL without TLS */
};

/* By how much the peak of memory may grow in a fault: a few copies of 4 MiB;
 * the sanitizer keeps what was freed. */
#ifdef __SANITIZE_ADDRESS__
#define FAKE_RSS_MAX_KIB (400l << 10)
#else
#define FAKE_RSS_MAX_KIB (24l << 10)
#endif

enum { FAKE_TLS = 1, FAKE_CLIENT_CA = 2, FAKE_BAD_TLS = 4 };

static inline void
fake_die(const char *what)
{
	fprintf(stderr, "fake_vault: %s: %s\n", what, strerror(errno));
	exit(99);
}

/* The top of the tree, from where this program lies. */
static inline const char *
fake_top(void)
{
	static char top[PATH_MAX];
	char probe[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", top, sizeof(top) - 1);

	if (n <= 0)
		fake_die("/proc/self/exe");
	top[n] = '\0';
	for (char *slash; (slash = strrchr(top, '/')) != NULL;) {
		*slash = '\0';
		snprintf(probe, sizeof(probe), "%s/tests/fake/vault.py", top);
		if (access(probe, R_OK) == 0)
			return (top);
	}
	fake_die("tests/fake/vault.py");
	return (NULL);
}

static inline int64_t
fake_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

static inline char *
fake_file(const struct fake_vault *v, const char *name)
{
	char *path = str_fmt("%s/%s", v->dir, name);
	struct buf b = BUF_PLAIN(8u << 20);

	if (file_read(path, &b, NULL) == -1)
		buf_adds(&b, "");
	free(path);
	return (buf_take(&b));
}

static inline pid_t
fake_spawn(const char *const *words)
{
	pid_t pid = fork();

	if (pid == -1)
		fake_die("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(words[0], (char *const *)(uintptr_t)words);
		_exit(127);
	}
	return (pid);
}

static inline void
fake_start(struct fake_vault *v, int flags)
{
	char *script = str_fmt("%s/tests/fake/vault.py", fake_top());
	char *certs = str_fmt("%s/tests/fake/make_certs.sh", fake_top());
	char *port_file, *log, *cert, *key, *ca, *port;
	const char *words[16];
	int n = 0, status;

	memset(v, 0, sizeof(*v));
	strcpy(v->dir, "/tmp/fake-vault-XXXXXX");
	if (mkdtemp(v->dir) == NULL)
		fake_die("mkdtemp");
	if (flags & FAKE_TLS) {
		const char *make[] = { "/bin/sh", certs, v->dir, NULL };

		if (waitpid(fake_spawn(make), &status, 0) == -1 ||
		    status != 0)
			fake_die("make_certs.sh");
		v->ca = fake_file(v, "ca.pem");
	}
	port_file = str_fmt("%s/port", v->dir);
	log = str_fmt("%s/log", v->dir);
	cert = str_fmt("%s/server.pem", v->dir);
	key = str_fmt("%s/server.key", v->dir);
	ca = str_fmt("%s/ca.pem", v->dir);
	words[n++] = "/usr/bin/python3";
	words[n++] = script;
	words[n++] = "--port-file";
	words[n++] = port_file;
	words[n++] = "--log";
	words[n++] = log;
	if (flags & FAKE_TLS) {
		words[n++] = "--cert";
		words[n++] = cert;
		words[n++] = "--key";
		words[n++] = key;
	}
	if (flags & FAKE_CLIENT_CA) {
		words[n++] = "--client-ca";
		words[n++] = ca;
	}
	if (flags & FAKE_BAD_TLS)
		words[n++] = "--bad-tls";
	words[n] = NULL;
	v->pid = fake_spawn(words);
	for (int i = 0; i < 2000 && access(port_file, R_OK) == -1; i++)
		usleep(10000);
	port = fake_file(v, "port");
	v->port = atoi(port);
	if (v->port == 0)
		fake_die("it does not start");
	snprintf(v->url, sizeof(v->url), "http%s://127.0.0.1:%d",
	    flags & (FAKE_TLS | FAKE_BAD_TLS) ? "s" : "", v->port);
	free(port);
	free(port_file);
	free(log);
	free(cert);
	free(key);
	free(ca);
	free(script);
	free(certs);
}

static inline void
fake_stop(struct fake_vault *v)
{
	static const char *const files[] = { "port", "log", "ca.pem",
	    "ca.key", "other-ca.pem", "other-ca.key", "server.pem",
	    "server.key", "client.pem", "client.key" };

	kill(v->pid, SIGKILL);
	waitpid(v->pid, NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char *path = str_fmt("%s/%s", v->dir, files[i]);

		unlink(path);
		free(path);
	}
	rmdir(v->dir);
	free(v->ca);
	v->ca = NULL;
}

/* POST /_fake/WHAT; the counts as JSON, the caller's. */
static inline struct json *
fake_control(struct fake_vault *v, const char *what, const char *body)
{
	struct http_options o = { .ca_pem = v->ca, .max_retries = 0 };
	struct http_client *c = NULL;
	struct http_response r;
	struct err err = ERR_INIT;
	char *path = str_fmt("/_fake/%s", what);
	struct secret *s = secret_new(body, strlen(body));
	struct http_request req = { .method = "POST", .path = path,
	    .body = s };
	struct json *j;

	if (http_client_new(v->url, &o, &c, &err) == -1 ||
	    http_do(c, &req, &r, &err) == -1 || r.status != 200) {
		fprintf(stderr, "fake_control %s: %s\n", what, err_msg(&err));
		exit(99);
	}
	j = json_parse(buf_str(&r.body), r.body.len, NULL);
	http_response_clear(&r);
	http_client_free(c);
	secret_free(s);
	free(path);
	return (j);
}

static inline void
fake_tell(struct fake_vault *v, const char *what, const char *body)
{
	json_free(fake_control(v, what, body));
}

static inline void
fake_put(struct fake_vault *v, const char *mount, const char *key,
    const char *data)
{
	char *body = str_fmt("{\"mount\":\"%s\",\"key\":\"%s\",\"data\":%s}",
	    mount, key, data);

	fake_tell(v, "put", body);
	free(body);
}

static inline int
fake_count(struct fake_vault *v, const char *what)
{
	struct json *j = fake_control(v, "counts", "{}");
	int n = (int)json_num(json_get(j, what), -1);

	json_free(j);
	return (n);
}

#endif
