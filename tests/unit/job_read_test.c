/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "ipc/job.h"
#include "job/read.h"
#include "seal/stream.h"

#define OBJECTS_MAX 32

/* What a read job has said. */
struct heard {
	struct job_object objects[OBJECTS_MAX];
	size_t nobjects;
	struct job_finding findings[OBJECTS_MAX];
	size_t nfindings;
	struct stream stream;
	int done;
	int status;		/* of the job's process */
};

static uint8_t pk[BOX_KEY_LEN], sk[BOX_KEY_LEN];

static void
listen_to(int fd, struct heard *h)
{
	struct frame f;

	frame_init(&f, JOB_FRAME_MAX);
	while (frame_recv(fd, &f, 10000, NULL) == 1) {
		if (f.type == JOB_KEY)
			assert_int_equal(stream_accept(&h->stream, pk, sk,
			    f.body.data, f.body.len, NULL), 0);
		else if (f.type == JOB_OBJECT && h->nobjects < OBJECTS_MAX)
			assert_int_equal(job_object_read(
			    &h->objects[h->nobjects++], &f, NULL), 0);
		else if (f.type == JOB_FINDING &&
		    h->nfindings < OBJECTS_MAX)
			assert_int_equal(job_finding_read(
			    &h->findings[h->nfindings++], &f, NULL), 0);
		else if (f.type == JOB_DONE)
			h->done = 1;
	}
	frame_clear(&f);
}

/* Run the whole job, sandbox included, over ${text}. */
static void
job_over(const char *text, size_t len, struct heard *h)
{
	char path[] = "/tmp/nodeseal-read-XXXXXX";
	struct job_read m = { .name = str_dup("web.yaml") };
	struct buf out = BUF_PLAIN(4096);
	int pair[2], file = mkstemp(path);
	pid_t pid;

	memset(h, 0, sizeof(*h));
	assert_int_not_equal(file, -1);
	unlink(path);
	assert_int_equal(write(file, text, len), (ssize_t)len);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	if ((pid = fork()) == 0) {
		cleanup_err struct err err = ERR_INIT;

		close(pair[1]);
		_exit(read_job(pair[0], 0, &err) == 0 ? 0 : 1);
	}
	close(pair[0]);
	memcpy(m.core_key, pk, sizeof(pk));
	job_read_write(&m, &out);
	assert_int_equal(frame_send(pair[1], JOB_READ, out.data, out.len,
	    &file, 1, 5000, NULL), 0);
	job_read_clear(&m);
	buf_clear(&out);
	listen_to(pair[1], h);
	close(pair[1]);
	close(file);
	assert_int_equal(waitpid(pid, &h->status, 0), pid);
}

static void
forget(struct heard *h)
{
	size_t i;

	for (i = 0; i < h->nobjects; i++)
		job_object_clear(&h->objects[i]);
	for (i = 0; i < h->nfindings; i++)
		job_finding_clear(&h->findings[i]);
}

static void
over(const char *text, struct heard *h)
{
	job_over(text, strlen(text), h);
	assert_int_equal(h->status, 0);
	assert_true(h->done);
}

static const char whole[] =
    "apiVersion: external-secrets.io/v1\n"
    "kind: SecretStore\n"
    "metadata: {name: st}\n"
    "spec:\n"
    "  provider:\n"
    "    fake: {data: [{key: k, value: inline-plain-value}]}\n"
    "---\n"
    "apiVersion: v1\n"
    "kind: List\n"
    "items:\n"
    "- apiVersion: v1\n"
    "  kind: Secret\n"
    "  metadata: {name: creds, namespace: shop}\n"
    "  stringData: {password: inline-plain-value}\n"
    "- apiVersion: external-secrets.io/v1\n"
    "  kind: ExternalSecret\n"
    "  metadata: {name: es}\n"
    "  spec:\n"
    "    secretStoreRef: {name: st}\n"
    "    data: [{secretKey: a, remoteRef: {key: k}}]\n";

static void
test_objects(void **state)
{
	struct heard h;
	size_t i;

	(void)state;
	over(whole, &h);
	assert_int_equal(h.nfindings, 0);
	assert_int_equal(h.nobjects, 3);
	assert_string_equal(h.objects[0].kind, "SecretStore");
	assert_string_equal(h.objects[0].ns, "default");
	assert_string_equal(h.objects[1].kind, "Secret");
	assert_string_equal(h.objects[1].ns, "shop");
	assert_string_equal(h.objects[2].kind, "ExternalSecret");
	/* no head holds a value; every body does come whole, for us alone */
	for (i = 0; i < h.nobjects; i++) {
		struct job_object *o = &h.objects[i];
		size_t len = o->body_len - STREAM_OVERHEAD;
		cleanup_free char *plain = mem_alloc(len + 1);
		struct json *j;

		assert_null(strstr(o->head, "inline-plain-value"));
		assert_null(memmem(o->body, o->body_len, "inline", 6));
		assert_int_equal(stream_open(&h.stream, o->body, o->body_len,
		    (uint8_t *)plain, NULL), 0);
		j = json_parse(plain, len, NULL);
		assert_non_null(j);
		assert_string_equal(json_str(json_get(j, "kind")), o->kind);
		json_free(j);
	}
	forget(&h);
}

/* What core needs of a store, it finds in the head. */
static void
test_store_head(void **state)
{
	static const char text[] =
	    "apiVersion: external-secrets.io/v1\n"
	    "kind: SecretStore\n"
	    "metadata: {name: v, namespace: shop}\n"
	    "spec:\n"
	    "  provider:\n"
	    "    vault:\n"
	    "      server: https://vault.example:8200\n"
	    "      path: secret\n"
	    "      auth: {tokenSecretRef: {name: tok, key: t}}\n";
	struct heard h;
	struct json *head, *ref;

	(void)state;
	over(text, &h);
	assert_int_equal(h.nobjects, 1);
	head = json_parse(h.objects[0].head, strlen(h.objects[0].head), NULL);
	assert_string_equal(json_str(json_get(head, "nodesealHost")),
	    "vault.example:8200");
	ref = json_first(json_get(head, "nodesealRefs"));
	assert_non_null(ref);
	assert_string_equal(json_str(json_get(ref, "kind")), "Secret");
	assert_string_equal(json_str(json_get(ref, "namespace")), "shop");
	assert_string_equal(json_str(json_get(ref, "name")), "tok");
	assert_int_equal(json_len(json_path(head, "spec.provider.vault")), 0);
	json_free(head);
	forget(&h);
}

/* Rejected, unknown, not served: each is said with its line. */
static void
test_findings(void **state)
{
	static const char text[] =
	    "apiVersion: external-secrets.io/v1\n"
	    "kind: ExternalSecret\n"
	    "metadata: {name: es}\n"
	    "spec:\n"
	    "  secretStoreRef: {name: st}\n"
	    "  refreshIntervall: 1h\n"
	    "---\n"
	    "apiVersion: external-secrets.io/v1alpha1\n"
	    "kind: PushSecret\n"
	    "metadata: {name: push}\n";
	struct heard h;
	int unknown = 0, not_served = 0;
	size_t i;

	(void)state;
	over(text, &h);
	assert_int_equal(h.nobjects, 1);
	assert_non_null(strstr(h.objects[0].rejected,
	    "either data or dataFrom should be specified"));
	for (i = 0; i < h.nfindings; i++) {
		const struct job_finding *f = &h.findings[i];

		assert_false(f->fatal);
		if (strstr(f->text, "refreshIntervall") != NULL) {
			assert_int_equal(f->line, 6);
			assert_non_null(strstr(f->text, "refreshInterval"));
			assert_string_equal(f->object, "default/es");
			unknown++;
		}
		if (strstr(f->text, "not served") != NULL) {
			assert_int_equal(f->line, 9);
			not_served++;
		}
	}
	assert_int_equal(unknown, 1);
	assert_int_equal(not_served, 1);
	forget(&h);
}

/* Files of no use are findings of a job that ends well. */
static void
test_malformed(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		size_t nobjects;
		int line;		/* of the fatal finding; 0 any */
	} c[] = {
#define T(s) s, sizeof(s) - 1
		{ T("a: [1, 2\nb: }"), 0, 0 },
		{ T("\xff\xfe\x00""a\x00"), 0, 0 },
		{ T("kind: 5\n"), 0, 1 },
		{ T("- just\n- a list\n"), 0, 1 },
		{ T("just text"), 0, 1 },
		{ T("{\"a\": "), 0, 0 },
		{ T("a: &a [*a]\n"), 0, 0 },
		{ T("x: !!binary \"%%%\"\n"), 0, 0 },
		{ T("apiVersion: v1\nkind: Secret\n"), 0, 1 },
		{ T("kind: Secret\nmetadata: {name: [1]}\n"), 0, 1 },
		{ T("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
		    "---\nnot: an object\n"), 1, 5 },
		{ T("a: &x {b: 1}\nc: [*x,*x,*x,*x]\nd: *nothing\n"), 0, 0 },
#undef T
	};
	size_t i, k;

	(void)state;
	for (i = 0; i < ARRAY_LEN(c); i++) {
		struct heard h;
		int fatal = 0;

		job_over(c[i].text, c[i].len, &h);
		assert_int_equal(h.status, 0);
		assert_true(h.done);
		assert_int_equal(h.nobjects, c[i].nobjects);
		for (k = 0; k < h.nfindings; k++) {
			if (!h.findings[k].fatal)
				continue;
			fatal++;
			assert_true(h.findings[k].text[0] != '\0');
			if (c[i].line != 0)
				assert_int_equal(h.findings[k].line,
				    c[i].line);
		}
		if (fatal == 0)
			fail_msg("case %zu: nothing fatal was said", i);
		forget(&h);
	}
}

/* Nothing is not wrong. */
static void
test_empty(void **state)
{
	static const char *const c[] = { "", "\n\n", "# a comment\n",
		"---\n---\n", "null\n" };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(c); i++) {
		struct heard h;

		over(c[i], &h);
		assert_int_equal(h.nobjects, 0);
		assert_int_equal(h.nfindings, 0);
		forget(&h);
	}
}

static void
test_twice(void **state)
{
	struct heard h;

	(void)state;
	over("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
	    "data:\n  x: 1\n  x: 2\n", &h);
	assert_int_equal(h.nobjects, 1);
	assert_int_equal(h.nfindings, 1);
	assert_int_equal(h.findings[0].line, 7);
	assert_false(h.findings[0].fatal);
	forget(&h);
}

/* An object beyond core's ceiling costs itself alone. */
static void
test_large(void **state)
{
	static const char head[] = "apiVersion: v1\nkind: ConfigMap\n"
	    "metadata: {name: big}\ndata:\n  x: ", tail[] =
	    "\n---\napiVersion: v1\nkind: ConfigMap\n"
	    "metadata: {name: small}\n";
	size_t n = 3u << 20;
	cleanup_free char *text = mem_alloc(n + 256);
	struct heard h;

	(void)state;
	strcpy(text, head);
	memset(text + strlen(head), 'a', n);
	strcpy(text + strlen(head) + n, tail);
	over(text, &h);
	assert_int_equal(h.nobjects, 1);
	assert_string_equal(h.objects[0].name, "small");
	assert_int_equal(h.nfindings, 1);
	assert_true(h.findings[0].fatal);
	assert_string_equal(h.findings[0].object, "default/big");
	assert_non_null(strstr(h.findings[0].text, "larger than"));
	forget(&h);
}

/* A request without a file, or with another body, ends the job with 1. */
static void
test_no_file(void **state)
{
	int pair[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	if ((pid = fork()) == 0) {
		cleanup_err struct err err = ERR_INIT;

		close(pair[1]);
		_exit(read_job(pair[0], 0, &err) == 0 ? 0 : 1);
	}
	close(pair[0]);
	assert_int_equal(frame_send(pair[1], JOB_READ, "x", 1, NULL, 0, 5000,
	    NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 1);
	close(pair[1]);
}

static int
group_setup(void **state)
{
	(void)state;
	assert_int_equal(seal_init(NULL), 0);
	box_keypair(pk, sk);
	return (0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_store_head),
		cmocka_unit_test(test_findings),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_no_file),
	};

	return (cmocka_run_group_tests(tests, group_setup, NULL));
}
