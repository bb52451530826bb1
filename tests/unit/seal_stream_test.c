/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "seal/stream.h"

static uint8_t pk[BOX_KEY_LEN], sk[BOX_KEY_LEN];

struct pair {
	struct stream out, in;
	struct buf hello, message;
};

static void
pair_new(struct pair *p)
{
	p->hello = (struct buf)BUF_PLAIN(4096);
	p->message = (struct buf)BUF_PLAIN(4096);
	assert_int_equal(stream_begin(&p->out, pk, &p->hello, NULL), 0);
	assert_int_equal(p->hello.len, STREAM_HELLO_LEN);
	assert_int_equal(stream_accept(&p->in, pk, sk, p->hello.data,
	    p->hello.len, NULL), 0);
}

static void
pair_clear(struct pair *p)
{
	buf_clear(&p->hello);
	buf_clear(&p->message);
	stream_end(&p->out);
	stream_end(&p->in);
}

/* Append a message; where it begins. */
static size_t
say(struct pair *p, const char *text)
{
	size_t at = p->message.len;

	assert_int_equal(stream_seal(&p->out, text, strlen(text),
	    &p->message, NULL), 0);
	assert_int_equal(p->message.len, at + strlen(text) +
	    STREAM_OVERHEAD);
	return (at);
}

static int
hear(struct pair *p, size_t at, size_t len, uint8_t *back, struct err *err)
{
	return (stream_open(&p->in, p->message.data + at,
	    len + STREAM_OVERHEAD, back, err));
}

static void
test_messages_in_their_order(void **state)
{
	struct pair p;
	uint8_t back[8];
	size_t one, none, two;

	(void)state;
	pair_new(&p);
	one = say(&p, "one");
	none = say(&p, "");
	two = say(&p, "second");
	assert_null(memmem(p.message.data, p.message.len, "second", 6));
	assert_int_equal(hear(&p, one, 3, back, NULL), 0);
	assert_memory_equal(back, "one", 3);
	assert_int_equal(hear(&p, none, 0, back, NULL), 0);
	assert_int_equal(hear(&p, two, 6, back, NULL), 0);
	assert_memory_equal(back, "second", 6);
	pair_clear(&p);
}

/* What comes twice, too early or changed does not open, and leaves the stream
 * as it was. */
static void
test_refused(void **state)
{
	cleanup_err struct err err = ERR_INIT;
	struct pair p;
	uint8_t back[3];
	size_t one, two, i;

	(void)state;
	pair_new(&p);
	one = say(&p, "one");
	two = say(&p, "two");
	memset(back, 0xee, sizeof(back));
	assert_int_equal(hear(&p, two, 3, back, &err), -1);
	assert_int_equal(err.kind, ERR_TAMPER);
	assert_int_equal(back[0], 0);
	for (i = one; i < two; i++) {
		p.message.data[i] ^= 0x40;
		assert_int_equal(hear(&p, one, 3, back, NULL), -1);
		p.message.data[i] ^= 0x40;
	}
	for (i = 0; i < two; i++)
		assert_int_equal(stream_open(&p.in, p.message.data, i, back,
		    NULL), -1);
	assert_int_equal(hear(&p, one, 3, back, NULL), 0);
	assert_int_equal(hear(&p, one, 3, back, NULL), -1);
	assert_int_equal(hear(&p, two, 3, back, NULL), 0);
	pair_clear(&p);
}

/* Whoever has the state later cannot go back: with the counter and the nonce
 * of the message before (both follow from what went over the wire), its key is
 * still another.  The layout is libsodium's: key[32], counter[4], nonce[8].
 * Control: -DWEAKEN_STREAM_REKEY. */
static void
test_the_past_stays_closed(void **state)
{
	struct pair p;
	struct stream thief;
	uint8_t back[3];
	size_t one, i;

	(void)state;
	pair_new(&p);
	one = say(&p, "one");
	assert_int_equal(hear(&p, one, 3, back, NULL), 0);
	thief = p.in;
	memcpy(thief.state + 32, "\1\0\0\0", 4);
	for (i = 0; i < 8; i++)
		thief.state[36 + i] ^=
		    (uint8_t)p.message.data[p.message.len - 16 + i];
	assert_int_equal(stream_open(&thief, p.message.data, p.message.len,
	    back, NULL), -1);
	pair_clear(&p);
}

static void
test_hello(void **state)
{
	static const uint8_t zero[BOX_KEY_LEN], wiped[sizeof(struct stream)];
	uint8_t other_pk[BOX_KEY_LEN], other_sk[BOX_KEY_LEN];
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf small = BUF_PLAIN(20);
	struct stream s;
	struct pair p;

	(void)state;
	pair_new(&p);
	box_keypair(other_pk, other_sk);
	/* Not to us, cut, changed. */
	assert_int_equal(stream_accept(&s, other_pk, other_sk, p.hello.data,
	    p.hello.len, &err), -1);
	assert_int_equal(err.kind, ERR_TAMPER);
	assert_memory_equal(&s, wiped, sizeof(s));
	assert_int_equal(stream_accept(&s, pk, sk, p.hello.data,
	    p.hello.len - 1, NULL), -1);
	p.hello.data[70] ^= 1;
	assert_int_equal(stream_accept(&s, pk, sk, p.hello.data, p.hello.len,
	    NULL), -1);
	/* No key to seal to, no room. */
	assert_int_equal(stream_begin(&s, zero, &p.hello, NULL), -1);
	assert_memory_equal(&s, wiped, sizeof(s));
	assert_int_equal(stream_begin(&s, pk, &small, NULL), -1);
	assert_int_equal(stream_seal(&p.out, "four", 4, &small, NULL), -1);
	pair_clear(&p);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_in_their_order),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_the_past_stays_closed),
		cmocka_unit_test(test_hello),
	};

	if (seal_init(NULL) == -1)
		return (1);
	box_keypair(pk, sk);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
