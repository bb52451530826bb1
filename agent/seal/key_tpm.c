/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/program.h"
#include "base/secret.h"
#include "ipc/frame.h"
#include "seal/key_tpm.h"
#include "seal/tpm_wire.h"

#define CHILD_FD 3

/* --- starting it ----------------------------------------------------- */

/* Between fork and exec: only what is safe there. */
static void
become(char **argv, int fd, pid_t parent)
{
	sigset_t none;

	if (fd != CHILD_FD ? dup2(fd, CHILD_FD) == -1 :
	    fcntl(fd, F_SETFD, 0) == -1)
		_exit(127);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(argv[0], argv);
	_exit(127);
}

int
key_tpm_start(const char *device, uid_t uid, int *ret_fd, pid_t *ret_pid,
    struct err *err)
{
	cleanup_free char *path = program_path("nodeseal-tpm", err);
	cleanup_free char *dev = str_dup(device);
	cleanup_free char *user = str_fmt("%u", (unsigned)uid);
	char fd_word[] = "--fd", number[] = "3", device_word[] = "--device",
	    user_word[] = "--user";
	char *argv[] = { path, fd_word, number, device_word, dev, user_word,
		user, NULL };
	pid_t self = getpid(), pid;
	int pair[2];

	if (!path)
		return (-1);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return (err_sys(err, "nodeseal-tpm: socketpair"));
	if ((pid = fork()) == -1) {
		close(pair[0]);
		close(pair[1]);
		return (err_sys(err, "nodeseal-tpm: fork"));
	}
	if (pid == 0)
		become(argv, pair[1], self);
	close(pair[1]);
	*ret_fd = pair[0];
	if (ret_pid)
		*ret_pid = pid;
	return (0);
}

/* --- a slot's params ------------------------------------------------- */

/* The counter's value on the node's scale is start + (it - base). */
struct scale {
	uint64_t base, start;
};

static void
params_write(struct key_slot *slot, const struct tpm_answer *a,
    const struct scale *c)
{
	cleanup_buf struct buf b = BUF_PLAIN(TPM_BLOB_MAX + 64);

	wire_bytes(&b, a->blob, a->blob_len);
	wire_u64(&b, c->base);
	wire_u64(&b, c->start);
	slot->params = mem_dup(b.data, b.len);
	slot->params_len = b.len;
}

static int
params_read(const struct key_slot *slot, struct tpm_request *q,
    struct scale *c, struct err *err)
{
	struct wire w;

	wire_init(&w, slot->params, slot->params_len);
	q->blob = wire_get_bytes(&w, &q->blob_len);
	c->base = wire_get_u64(&w);
	c->start = wire_get_u64(&w);
	if (wire_done(&w, "slot", NULL) == -1 || q->blob_len > TPM_BLOB_MAX)
		return (err_set(err, ERR_TAMPER, "a TPM's slot is "
		    "malformed"));
	return (0);
}

/* --- asking ---------------------------------------------------------- */

static int
ask(int fd, const struct tpm_request *q, struct tpm_answer *a,
    struct err *err)
{
	cleanup_buf struct buf b = BUF_PLAIN(TPM_FRAME_MAX);
	cleanup_frame struct frame f;
	int rc;

	frame_init(&f, TPM_FRAME_MAX);
	tpm_request_write(q, &b);
	if (buf_finish(&b, "request to the TPM", err) == -1 ||
	    frame_send(fd, q->op, b.data, b.len, NULL, 0, TPM_ANSWER_MS,
	    err) == -1)
		return (-1);
	rc = frame_recv(fd, &f, TPM_ANSWER_MS, err);
	if (rc == 0)
		err_set(err, ERR_TRANSIENT, "nodeseal-tpm has ended");
	if (rc != 1 || tpm_answer_read(a, f.body.data, f.body.len, err) == -1)
		return (-1);
	if (a->verdict == TPM_OK)
		return (0);
	err_set(err, tpm_verdict_kind(a->verdict), "%s", a->message);
	tpm_answer_clear(a);
	return (-1);
}

void
key_counter_clear(struct key_counter *c)
{
	free(STEAL(c->problem));
}

static void
counter_take(struct key_counter *c, struct tpm_answer *a,
    const struct scale *s)
{
	if (!c)
		return;
	key_counter_clear(c);
	c->known = a->counted && a->counter >= s->base;
	if (c->known)
		c->value = s->start + (a->counter - s->base);
	else
		c->problem = a->counted ? str_dup("the TPM's counter is lower "
		    "than it was") : str_dup(str_or(a->message, "the TPM has "
		    "no counter"));
}

int
key_tpm_material(const struct key_source *s, int fd, struct key_slot *slot,
    struct key_counter *counter, uint8_t out[static 32], struct err *err)
{
	struct tpm_request q = { .op = slot->params ? TPM_OPEN : TPM_SEAL,
		.pcrs = tpm_pcrs(s->arg), .index = counter ? counter->index :
		0 };
	struct scale c = { 0, counter ? counter->value : 0 };
	struct tpm_answer a = { .verdict = TPM_OK };
	uint8_t sk[BOX_KEY_LEN];
	int rc;

	if (slot->params && params_read(slot, &q, &c, err) == -1)
		return (-1);
	box_keypair(q.pk, sk);
	rc = ask(fd, &q, &a, err);
	if (rc == 0)
		rc = box_open(q.pk, sk, a.box, sizeof(a.box), out, err);
	secret_wipe(sk, sizeof(sk));
	if (rc == 0 && q.op == TPM_SEAL) {
		c.base = a.counter;
		params_write(slot, &a, &c);
	}
	if (rc == 0)
		counter_take(counter, &a, &c);
	tpm_answer_clear(&a);
	return (rc == -1 ? err_wrap(err, "--key-source tpm2:%s", s->arg) :
	    0);
}

int
key_counter_step(int fd, const struct key_slot *slot, uint64_t from,
    uint64_t *ret, struct err *err)
{
	struct tpm_request q = { .op = TPM_COUNT };
	struct tpm_answer a;
	struct scale c;

	if (params_read(slot, &q, &c, err) == -1)
		return (-1);
	q.target = c.base + (from - c.start) + 1;
	if (ask(fd, &q, &a, err) == -1)
		return (err_wrap(err, "the TPM's counter"));
	*ret = c.start + (a.counter - c.base);
	tpm_answer_clear(&a);
	return (0);
}

int
key_counter_forget(int fd, const struct key_slot *slot, struct err *err)
{
	struct tpm_request q = { .op = TPM_FORGET };
	struct tpm_answer a;
	struct scale c;

	if (params_read(slot, &q, &c, err) == -1 ||
	    ask(fd, &q, &a, err) == -1)
		return (-1);
	tpm_answer_clear(&a);
	return (0);
}
