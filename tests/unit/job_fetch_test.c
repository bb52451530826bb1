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

#include "base/mem.h"
#include "ipc/job.h"
#include "job/fetch.h"
#include "model/payload.h"
#include "net/http.h"
#include "seal/stream.h"

#define ITEMS 7

static uint8_t pk[BOX_KEY_LEN], sk[BOX_KEY_LEN];

static const char store[] =
    "{\"apiVersion\":\"external-secrets.io/v1\",\"kind\":\"SecretStore\","
    "\"metadata\":{\"name\":\"st\",\"namespace\":\"shop\"},\"spec\":"
    "{\"provider\":{\"fake\":{\"data\":[{\"key\":\"k\",\"value\":\"v1\"},"
    "{\"key\":\"obj\",\"value\":\"{\\\"a\\\":1,\\\"b\\\":\\\"x\\\"}\"}]}}}}";

#define ES(name, spec)							\
    "{\"apiVersion\":\"external-secrets.io/v1\",\"kind\":"		\
    "\"ExternalSecret\",\"metadata\":{\"name\":\"" name "\","		\
    "\"namespace\":\"shop\"},\"spec\":{\"secretStoreRef\":{\"name\":"	\
    "\"st\"}," spec "}}"

/* A host that nobody knows: the resolver works inside the sandbox, too. */
static const char far[] =
    "{\"apiVersion\":\"external-secrets.io/v1\",\"kind\":\"SecretStore\","
    "\"metadata\":{\"name\":\"far\",\"namespace\":\"shop\"},\"spec\":"
    "{\"retrySettings\":{\"maxRetries\":0,\"retryInterval\":\"10ms\"},"
    "\"provider\":{\"vault\":{\"server\":\"http://no-such.invalid:9\","
    "\"path\":\"secret\",\"version\":\"v2\",\"auth\":{\"tokenSecretRef\":"
    "{\"name\":\"tok\",\"key\":\"t\"}}}}}}";
static const char token[] =
    "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":"
    "\"tok\",\"namespace\":\"shop\"},\"data\":{\"t\":\"dG9r\"}}";
static const char away[] =
    "{\"apiVersion\":\"external-secrets.io/v1\",\"kind\":"
    "\"ExternalSecret\",\"metadata\":{\"name\":\"away\","
    "\"namespace\":\"shop\"},\"spec\":{\"secretStoreRef\":{\"name\":"
    "\"far\"},\"data\":[{\"secretKey\":\"k\",\"remoteRef\":"
    "{\"key\":\"k\"}}]}}";

static const char *const bodies[] = {
	store, far, token, away,
	ES("good", "\"dataFrom\":[{\"extract\":{\"key\":\"obj\"}}],"
	    "\"data\":[{\"secretKey\":\"k\",\"remoteRef\":{\"key\":\"k\"}}]"),
	ES("lost", "\"data\":[{\"secretKey\":\"k\",\"remoteRef\":"
	    "{\"key\":\"absent\"}}]"),
	ES("none", "\"target\":{\"creationPolicy\":\"None\"},\"data\":"
	    "[{\"secretKey\":\"k\",\"remoteRef\":{\"key\":\"k\"}}]"),
	ES("merge", "\"target\":{\"creationPolicy\":\"Merge\"},\"data\":"
	    "[{\"secretKey\":\"k\",\"remoteRef\":{\"key\":\"k\"}}]"),
	ES("broken", "\"target\":{\"creationPolicy\":\"None\",\"template\":"
	    "{\"data\":{\"x\":\"{{ .nope | required \\\"no\\\" }}\"}}},"
	    "\"data\":[{\"secretKey\":\"k\",\"remoteRef\":"
	    "{\"key\":\"k\"}}]"),
};

struct talk {
	int fd;
	pid_t pid;
	uint8_t key[BOX_KEY_LEN];	/* the child's */
};

static void
begin(struct talk *t)
{
	struct frame f;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	if ((t->pid = fork()) == 0) {
		cleanup_err struct err err = ERR_INIT;

		close(pair[1]);
		_exit(fetch_job(pair[0], 0, &err) == 0 ? 0 : 1);
	}
	close(pair[0]);
	t->fd = pair[1];
	frame_init(&f, JOB_FRAME_MAX);
	assert_int_equal(frame_recv(t->fd, &f, 5000, NULL), 1);
	assert_int_equal(f.type, JOB_HELLO);
	assert_int_equal(f.body.len, BOX_KEY_LEN);
	memcpy(t->key, f.body.data, BOX_KEY_LEN);
	frame_clear(&f);
}

static int
end(struct talk *t)
{
	int status;

	close(t->fd);
	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	return (status);
}

static void
request(const struct talk *t)
{
	static const char *const names[ITEMS] = { "good", "lost", "none",
		"merge", "broken", "unsent", "away" };
	struct buf plain = BUF_SECRET(1 << 20), box = BUF_PLAIN(1 << 20);
	struct job_fetch m = { .flags = JOB_CLAIM_UNCLASSED,
		.timeout_ms = 1000 };
	struct job_body body[ARRAY_LEN(bodies)];
	struct job_name item[ITEMS];
	char class[] = "nodeseal", none[] = "", ns[] = "shop";
	size_t i;

	memcpy(m.core_key, pk, sizeof(pk));
	m.class_name = class;
	m.delim_left = m.delim_right = none;
	for (i = 0; i < ARRAY_LEN(bodies); i++)
		body[i] = (struct job_body){ (const uint8_t *)bodies[i],
			strlen(bodies[i]) };
	for (i = 0; i < ITEMS; i++)
		item[i] = (struct job_name){ ns, str_dup(names[i]) };
	m.bodies = body;
	m.nbodies = ARRAY_LEN(bodies);
	m.items = item;
	m.nitems = ITEMS;
	job_fetch_write(&m, &plain);
	assert_int_equal(box_seal(t->key, plain.data, plain.len, &box, NULL),
	    0);
	assert_int_equal(frame_send(t->fd, JOB_FETCH, box.data, box.len, NULL,
	    0, 5000, NULL), 0);
	for (i = 0; i < ITEMS; i++)
		free(item[i].name);
	buf_clear(&plain);
	buf_clear(&box);
}

/* Into ${plain}, which is the caller's. */
static void
open_payload(struct stream *stream, const struct job_item *item,
    uint8_t **plain, struct payload *p)
{
	size_t len = item->payload_len - STREAM_OVERHEAD;

	assert_non_null(item->payload);
	/* what travels is sealed */
	assert_null(memmem(item->payload, item->payload_len, "v1", 2));
	*plain = mem_alloc(len + 1);
	assert_int_equal(stream_open(stream, item->payload, item->payload_len,
	    *plain, NULL), 0);
	assert_int_equal(payload_read(p, *plain, len, NULL), 0);
}

static void
check_files(struct stream *stream, const struct job_item *item)
{
	cleanup_free uint8_t *plain = NULL;
	const struct payload_entry *e;
	struct payload p;

	open_payload(stream, item, &plain, &p);
	assert_int_equal(p.ndata, 1);
	assert_non_null(e = payload_find(&p, "k"));
	assert_memory_equal(e->value, "v1", 2);
	assert_int_equal(p.nlabels + p.nannotations, 0);
	payload_clear(&p);
}

static void
check_payload(struct stream *stream, const struct job_item *item)
{
	cleanup_free uint8_t *plain = NULL;
	const struct payload_entry *e;
	struct payload p;

	open_payload(stream, item, &plain, &p);
	assert_int_equal(p.ndata, 3);
	assert_non_null(e = payload_find(&p, "a"));
	assert_int_equal(e->len, 1);
	assert_memory_equal(e->value, "1", 1);
	assert_non_null(e = payload_find(&p, "k"));
	assert_memory_equal(e->value, "v1", 2);
	assert_int_equal(p.typelen, 6);
	assert_memory_equal(p.type, "Opaque", 6);
	assert_int_equal(p.nlabels, 2);
	payload_clear(&p);
}

static void
check_item(struct stream *stream, const struct job_item *i)
{
	switch (i->index) {
	case 0:
		assert_int_equal(i->outcome, JOB_READY);
		assert_string_equal(i->reason, "SecretSynced");
		assert_non_null(i->payload);
		check_payload(stream, i);
		break;
	case 1:
		assert_int_equal(i->outcome, JOB_FAILED);
		assert_int_equal(i->err_kind, ERR_NOTFOUND);
		assert_string_equal(i->reason, "SecretSyncedError");
		assert_string_equal(i->message,
		    "could not get secret data from provider");
		assert_string_equal(i->event_text, "error processing "
		    "spec.data[0] (key: absent), err: Secret does not exist");
		assert_string_equal(i->store, "SecretStore/shop/st");
		assert_int_equal(i->payload_len, 0);
		break;
	case 2:
		/* no Secret, but files */
		assert_int_equal(i->outcome, JOB_UNCHANGED_NONE);
		assert_string_equal(i->message, "secret synced");
		check_files(stream, i);
		break;
	case 3:
		assert_int_equal(i->outcome, JOB_UNCHANGED_NONE);
		assert_string_equal(i->reason, "SecretMissing");
		check_files(stream, i);
		break;
	case 4:
		assert_int_equal(i->outcome, JOB_FAILED);
		assert_non_null(strstr(i->error, "could not apply template"));
		assert_int_equal(i->payload_len, 0);
		break;
	case 5:
		assert_int_equal(i->outcome, JOB_FAILED);
		break;
	default:
		assert_int_equal(i->outcome, JOB_FAILED);
		assert_int_equal(i->err_kind, ERR_TRANSIENT);
		assert_string_equal(i->host, "no-such.invalid:9");
		assert_string_equal(i->store, "SecretStore/shop/far");
		assert_string_equal(i->event_text, "error processing "
		    "spec.data[0] (key: k), err: SecretStore \"far\" is not "
		    "ready");
		assert_non_null(strstr(i->error, "no-such.invalid:9"));
		break;
	}
}

/* Every item is answered in order, whatever became of the one before. */
static void
test_items(void **state)
{
	struct talk t;
	struct frame f;
	struct job_done done;
	struct stream stream;
	uint32_t next = 0;

	(void)state;
	begin(&t);
	request(&t);
	frame_init(&f, JOB_FRAME_MAX);
	assert_int_equal(frame_recv(t.fd, &f, 10000, NULL), 1);
	assert_int_equal(f.type, JOB_KEY);
	assert_int_equal(stream_accept(&stream, pk, sk, f.body.data,
	    f.body.len, NULL), 0);
	while (frame_recv(t.fd, &f, 10000, NULL) == 1 &&
	    f.type == JOB_ITEM) {
		struct job_item item;

		assert_int_equal(job_item_read(&item, &f, NULL), 0);
		assert_int_equal(item.index, next++);
		check_item(&stream, &item);
		job_item_clear(&item);
	}
	assert_int_equal(next, ITEMS);
	assert_int_equal(f.type, JOB_DONE);
	assert_int_equal(job_done_read(&done, &f, NULL), 0);
	assert_int_equal(done.nstores, 2);
	assert_false(done.stores[1].valid);
	assert_string_equal(done.stores[1].reason, "InvalidProviderConfig");
	assert_string_equal(done.stores[0].store, "SecretStore/shop/st");
	assert_true(done.stores[0].valid);
	assert_string_equal(done.stores[0].reason, "Valid");
	job_done_clear(&done);
	frame_clear(&f);
	assert_int_equal(end(&t), 0);
}

/* A request sealed to somebody else, or cut, is the end of the job. */
static void
test_bad_request(void **state)
{
	struct talk t;
	struct buf box = BUF_PLAIN(4096);
	struct frame f;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		begin(&t);
		buf_clear(&box);
		box_seal(i == 0 ? pk : t.key, "hello", 5, &box, NULL);
		assert_int_equal(frame_send(t.fd, JOB_FETCH, box.data,
		    i == 1 ? 20 : box.len, NULL, 0, 5000, NULL), 0);
		frame_init(&f, JOB_FRAME_MAX);
		assert_int_equal(frame_recv(t.fd, &f, 5000, NULL), 0);
		frame_clear(&f);
		assert_int_equal(WEXITSTATUS(end(&t)), 1);
	}
	buf_clear(&box);
}

static int
group_setup(void **state)
{
	(void)state;
	assert_int_equal(seal_init(NULL), 0);
	assert_int_equal(http_global(NULL), 0);
	box_keypair(pk, sk);
	return (0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items),
		cmocka_unit_test(test_bad_request),
	};

	return (cmocka_run_group_tests(tests, group_setup, NULL));
}
