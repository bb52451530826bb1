/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include "ipc/run_config_internal.h"

#define CONFIG_FILE_MAX 65536

#define AT(f) offsetof(struct run_config, f)

static const struct flag flags[] = {
	{ "kubeconfig", FLAG_STRING, AT(kubeconfig), 0, "FILE",
	    "the API server to use (in a pod: its account)" },
	{ "manifests", FLAG_STRING, AT(manifests), 0, "DIR",
	    "no cluster: watch this folder of manifests" },
	{ "node", FLAG_STRING, AT(node), 0, "NAME",
	    "whose pods matter ($NODE_NAME, host name)" },
	{ "class", FLAG_STRING, AT(class_name), 0, "NAME",
	    "stores with this spec.controller (nodeseal)" },
	{ "claim-unclassed", FLAG_BOOL, AT(claim_unclassed), 0, NULL,
	    "stores without a class too (with --manifests: on)" },
	{ "state", FLAG_STRING, AT(state), 0, "DIR",
	    "the sealed cache (/var/lib/nodeseal)" },
	{ "key-source", FLAG_LIST, AT(key_sources), AT(nkey_sources), "SPEC",
	    "what opens it (file:STATE/node.key); repeatable" },
	{ "tpm", FLAG_STRING, AT(tpm), 0, "PATH",
	    "a TPM's device, or socket (/dev/tpmrm0)" },
	{ "witness", FLAG_STRING, AT(witness), 0, "FILE",
	    "knows its newest generation (STATE.witness)" },
	{ "bundles", FLAG_STRING, AT(bundles), 0, "DIR",
	    "import the bundles that are dropped there" },
	{ "issuer-key", FLAG_LIST, AT(issuer_keys), AT(nissuer_keys), "FILE",
	    "public key of who may sign them; repeatable" },
	{ "run", FLAG_STRING, AT(run), 0, "DIR",
	    "sockets and host files (/run/nodeseal)" },
	{ "kubelet-dir", FLAG_STRING, AT(kubelet_dir), 0, "DIR",
	    "the kubelet's root (/var/lib/kubelet)" },
	{ "csi", FLAG_BOOL, AT(csi), 0, NULL,
	    "serve CSI volumes (with --manifests: off)" },
	{ "csi-targets", FLAG_STRING, AT(csi_targets), 0, "DIR",
	    "where targets may lie (KUBELET-DIR/pods)" },
	{ "host-dirs", FLAG_PATHS, AT(host_dirs), AT(nhost_dirs), "DIR[:DIR]",
	    "where HostProjections may write (RUN/host)" },
	{ "host-dirs-on-disk", FLAG_BOOL, AT(host_dirs_on_disk), 0, NULL,
	    "allow host dirs that are not on tmpfs" },
	{ "fsproj", FLAG_STRING, AT(fsproj), 0, "SOCKET",
	    "a running nodeseal-fsproj" },
	{ "listen", FLAG_STRING, AT(listen), 0, "ADDR:PORT",
	    "/metrics, /livez, /readyz (:8080; --manifests: off)" },
	{ "max-jobs", FLAG_INT, AT(max_jobs), 0, "N", "jobs at a time (4)" },
	{ "log-level", FLAG_LEVEL, AT(log_level), 0, "LEVEL",
	    "error, warn, info, debug (info)" },
	{ "log-format", FLAG_FORMAT, AT(log_format), 0, "FORMAT",
	    "text or json (text)" },
	{ "node-label", FLAG_LIST, AT(node_labels), AT(nnode_labels), "K=V",
	    "what a nodeSelector sees; repeatable" },
	{ "allow-ambient-identity", FLAG_BOOL, AT(allow_ambient_identity), 0,
	    NULL, "the node's own identity may serve stores" },
	{ "require-sandbox", FLAG_BOOL, AT(require_sandbox), 0, NULL,
	    "refuse to run degraded" },
	{ "volume-context", FLAG_STRING, AT(volume_context), 0, "LABEL",
	    "SELinux label of volumes" },
	{ "generic-targets", FLAG_BOOL, AT(generic_targets), 0, NULL,
	    "allow spec.target.manifest" },
	{ "template-left-delimiter", FLAG_STRING, AT(delim_left), 0, "TEXT",
	    "of templates ({{)" },
	{ "template-right-delimiter", FLAG_STRING, AT(delim_right), 0, "TEXT",
	    "of templates (}})" },
	{ "user", FLAG_UID, AT(user), 0, "UID",
	    "of core when started by root (65532)" },
	{ "config", FLAG_STRING, AT(config), 0, "FILE",
	    "lines of \"name = value\"" },
};

/* Which flags the command line gave: they win over the file. */
struct seen {
	unsigned char v[ARRAY_LEN(flags)];
};

const struct flag *
run_flag(size_t i)
{
	return (i < ARRAY_LEN(flags) ? &flags[i] : NULL);
}

static void *
field(struct run_config *c, size_t at)
{
	return ((char *)c + at);
}

static size_t
common_prefix(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] != '\0' && a[n] == b[n])
		n++;
	return (n);
}

/* The flag that was probably meant: the longest common start. */
static const char *
flag_near(const char *name)
{
	size_t best = 2;
	const char *near = NULL;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		size_t n = common_prefix(name, flags[i].name);

		if (n > best) {
			best = n;
			near = flags[i].name;
		}
	}
	return (near);
}

static const struct flag *
flag_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (strcmp(flags[i].name, name) == 0)
			return (&flags[i]);
	return (NULL);
}

static int
flag_unknown(const char *name, struct err *err)
{
	const char *near = flag_near(name);

	if (near != NULL)
		return (err_set(err, ERR_INVALID,
		    "--%s: no such flag: did you mean --%s?", name, near));
	return (err_set(err, ERR_INVALID,
	    "--%s: no such flag: see nodeseal run --help", name));
}

static void
list_add(struct run_config *c, const struct flag *f, const char *v, size_t len)
{
	char ***list = field(c, f->at);
	size_t *n = field(c, f->count_at);

	*list = mem_grow(*list, *n + 1, sizeof(**list));
	(*list)[(*n)++] = str_ndup(v, len);
}

static int
number(const char *name, const char *v, long max, long *ret, struct err *err)
{
	char *end;
	long n = strtol(v, &end, 10);

	if (*v == '\0' || *end != '\0' || n < 1 || n > max)
		return (err_set(err, ERR_INVALID,
		    "--%s: %s is not a number from 1 to %ld", name, v, max));
	*ret = n;
	return (0);
}

static int
boolean(const char *name, const char *v, int *ret, struct err *err)
{
	if (str_eq(v, "true"))
		*ret = 1;
	else if (str_eq(v, "false"))
		*ret = 0;
	else
		return (err_set(err, ERR_INVALID,
		    "--%s: %s is neither true nor false", name, v));
	return (0);
}

static void
paths_add(struct run_config *c, const struct flag *f, const char *v)
{
	while (*v != '\0') {
		size_t len = strcspn(v, ":");

		if (len > 0)
			list_add(c, f, v, len);
		v += len + (v[len] == ':');
	}
}

static int
flag_set(struct run_config *c, const struct flag *f, const char *v,
    struct err *err)
{
	long n = 0;

	switch (f->type) {
	case FLAG_STRING:
		free(*(char **)field(c, f->at));
		*(char **)field(c, f->at) = str_dup(v);
		return (0);
	case FLAG_BOOL:
		return (boolean(f->name, v, field(c, f->at), err));
	case FLAG_INT:
		if (number(f->name, v, 1024, &n, err) == -1)
			return (-1);
		*(int *)field(c, f->at) = (int)n;
		return (0);
	case FLAG_UID:
		if (number(f->name, v, 0x7ffffff0, &n, err) == -1)
			return (-1);
		*(uid_t *)field(c, f->at) = (uid_t)n;
		return (0);
	case FLAG_LIST:
		list_add(c, f, v, strlen(v));
		return (0);
	case FLAG_PATHS:
		paths_add(c, f, v);
		return (0);
	case FLAG_LEVEL:
		if (log_parse_level(v, field(c, f->at)) == -1)
			break;
		return (0);
	case FLAG_FORMAT:
		if (log_parse_format(v, field(c, f->at)) == -1)
			break;
		return (0);
	}
	return (err_set(err, ERR_INVALID, "--%s: %s: expected %s", f->name, v,
	    f->help));
}

/* One word of the command line; *i moves on when it takes the next one. */
static int
parse_word(struct run_config *c, struct seen *seen, int argc, char **argv,
    int *i, struct err *err)
{
	const char *word = argv[*i], *value;
	cleanup_free char *name = NULL;
	const struct flag *f;
	int no = 0;

	if (str_eq(word, "--help") || str_eq(word, "-h")) {
		c->help = 1;
		return (0);
	}
	if (strncmp(word, "--", 2) != 0 || word[2] == '\0')
		return (err_set(err, ERR_INVALID,
		    "%s: run takes flags only: see nodeseal run --help", word));
	value = strchr(word, '=');
	name = value ? str_ndup(word + 2, (size_t)(value - word) - 2) :
	    str_dup(word + 2);
	if ((f = flag_find(name)) == NULL && strncmp(name, "no-", 3) == 0) {
		f = flag_find(name + 3);
		no = f != NULL && f->type == FLAG_BOOL && value == NULL;
		if (!no)
			f = NULL;
	}
	if (f == NULL)
		return (flag_unknown(name, err));
	if (f->type == FLAG_BOOL && value == NULL)
		value = no ? "false" : "true";
	else if (value != NULL)
		value++;
	else if (*i + 1 < argc)
		value = argv[++*i];
	else
		return (err_set(err, ERR_INVALID, "--%s: needs a value: %s",
		    f->name, f->value));
	seen->v[f - flags] = 1;
	return (flag_set(c, f, value, err));
}

static char *
trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r");
#ifdef WEAKEN_CONFIG_BOUNDS
	for (n = strlen(s); strchr(" \t\r", s[n - 1]) != NULL; n--)
#else
	for (n = strlen(s); n > 0 && strchr(" \t\r", s[n - 1]) != NULL; n--)
#endif
		s[n - 1] = '\0';
	return (s);
}

static int
config_line(struct run_config *c, const struct seen *seen, char *line,
    struct err *err)
{
	char *eq, *name, *value;
	const struct flag *f;

	name = trim(line);
	if (*name == '\0' || *name == '#')
		return (0);
	if ((eq = strchr(name, '=')) == NULL)
		return (err_set(err, ERR_INVALID,
		    "not a line of the form name = value"));
	*eq = '\0';
	value = trim(eq + 1);
	name = trim(name);
	if ((f = flag_find(name)) == NULL)
		return (flag_unknown(name, err));
	if (str_eq(f->name, "config"))
		return (err_set(err, ERR_INVALID,
		    "config: a file cannot name another"));
	if (seen->v[f - flags])
		return (0);
	return (flag_set(c, f, value, err));
}

static int
config_file(struct run_config *c, const struct seen *seen, struct err *err)
{
	cleanup_buf struct buf text = BUF_PLAIN(CONFIG_FILE_MAX);
	char *line, *save = NULL;
	size_t n = 0;

	if (file_read(c->config, &text, err) == -1)
		return (err_wrap(err, "--config"));
	if (text.len == 0)
		return (0);
	/* Lines are counted as they stand, empty ones too. */
	for (line = text.data; line != NULL; line = save) {
		n++;
		if ((save = strchr(line, '\n')) != NULL)
			*save++ = '\0';
		if (config_line(c, seen, line, err) == -1)
			return (err_wrap(err, "%s:%zu", c->config, n));
	}
	return (0);
}

static char *
host_name(void)
{
	char name[256] = "";

	if (gethostname(name, sizeof(name) - 1) == -1 || name[0] == '\0')
		return (str_dup("localhost"));
	return (str_dup(name));
}

static void
default_str(char **s, const char *v)
{
	if (*s == NULL)
		*s = str_dup(v);
}

/* What depends on other flags gets its default last. */
static void
defaults_late(struct run_config *c, const struct seen *seen)
{
	const char *env = getenv("NODE_NAME");

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (str_eq(flags[i].name, "claim-unclassed") && !seen->v[i] &&
		    c->claim_unclassed == -1)
			c->claim_unclassed = c->manifests != NULL;
	if (c->csi == -1)
		c->csi = c->manifests == NULL;
	if (c->manifests == NULL)
		default_str(&c->listen, ":8080");
	if (str_eq(c->listen, "")) {	/* said to be nowhere */
		free(c->listen);
		c->listen = NULL;
	}
	if (c->node == NULL)
		c->node = env && *env ? str_dup(env) : host_name();
	default_str(&c->class_name, "nodeseal");
	default_str(&c->state, "/var/lib/nodeseal");
	default_str(&c->run, "/run/nodeseal");
	default_str(&c->tpm, "/dev/tpmrm0");
	default_str(&c->kubelet_dir, "/var/lib/kubelet");
	default_str(&c->delim_left, "");
	default_str(&c->delim_right, "");
	if (c->csi_targets == NULL)
		c->csi_targets = str_fmt("%s/pods", c->kubelet_dir);
	if (c->witness == NULL)
		c->witness = str_fmt("%s.witness", c->state);
	if (c->nkey_sources == 0) {
		c->key_sources = mem_array(1, sizeof(*c->key_sources));
		c->key_sources[c->nkey_sources++] = str_fmt("file:%s/node.key",
		    c->state);
	}
	if (c->nhost_dirs == 0) {
		c->host_dirs = mem_array(1, sizeof(*c->host_dirs));
		c->host_dirs[c->nhost_dirs++] = str_fmt("%s/host", c->run);
	}
}

static int
check_absolute(const char *name, const char *path, struct err *err)
{
	if (path != NULL && path[0] != '/')
		return (err_set(err, ERR_INVALID,
		    "--%s: %s: write an absolute path", name, path));
	return (0);
}

/* Where the objects come from: a folder, or an API server that we can find
 * (the kubelet names it in every container's environment). */
static int
check_source(const struct run_config *c, struct err *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");

	if (c->manifests != NULL && c->kubeconfig != NULL)
		return (err_set(err, ERR_INVALID, "--manifests and "
		    "--kubeconfig: name one of them: objects come from a "
		    "folder or from an API server"));
	if (c->manifests == NULL && c->kubeconfig == NULL &&
	    str_or(host, "")[0] == '\0')
		return (err_set(err, ERR_INVALID, "neither --manifests nor "
		    "--kubeconfig, and not in a pod "
		    "(KUBERNETES_SERVICE_HOST is not set): name one"));
	return (0);
}

int
run_config_listen(const char *s, char **ret_host, uint16_t *ret_port,
    struct err *err)
{
	const char *colon = strrchr(s, ':');
	size_t len = colon == NULL ? 0 : (size_t)(colon - s);
	cleanup_free char *host = NULL;
	uint8_t addr[16];
	char *end = NULL;
	long port = 0;

	if (len >= 2 && s[0] == '[' && s[len - 1] == ']')
		host = str_ndup(s + 1, len - 2);
	else
		host = str_ndup(s, len);
	if (colon != NULL && colon[1] >= '0' && colon[1] <= '9')
		port = strtol(colon + 1, &end, 10);
	if (end == NULL || *end != '\0' || port < 1 || port > 65535 ||
	    (host[0] != '\0' && inet_pton(s[0] == '[' ? AF_INET6 : AF_INET,
	    host, addr) != 1))
		return (err_set(err, ERR_INVALID, "--listen: %s: write "
		    "ADDRESS:PORT, [IPV6]:PORT or :PORT", s));
	*ret_host = STEAL(host);
	*ret_port = (uint16_t)port;
	return (0);
}

static int
check_listen(const struct run_config *c, struct err *err)
{
	cleanup_free char *host = NULL;
	uint16_t port;

	if (c->listen == NULL)
		return (0);
	return (run_config_listen(c->listen, &host, &port, err));
}

static int
check_paths(const struct run_config *c, struct err *err)
{
	if (check_absolute("state", c->state, err) == -1 ||
	    check_absolute("witness", c->witness, err) == -1 ||
	    check_absolute("tpm", c->tpm, err) == -1 ||
	    check_absolute("bundles", c->bundles, err) == -1 ||
	    check_absolute("run", c->run, err) == -1 ||
	    check_absolute("kubelet-dir", c->kubelet_dir, err) == -1 ||
	    check_absolute("csi-targets", c->csi_targets, err) == -1 ||
	    check_absolute("kubeconfig", c->kubeconfig, err) == -1 ||
	    check_absolute("fsproj", c->fsproj, err) == -1)
		return (-1);
	for (size_t i = 0; i < c->nhost_dirs; i++)
		if (check_absolute("host-dirs", c->host_dirs[i], err) == -1)
			return (-1);
	if (c->nkey_sources > KEY_SOURCES_MAX)
		return (err_set(err, ERR_INVALID,
		    "--key-source: %d are the most", KEY_SOURCES_MAX));
	for (size_t i = 0; i < c->nnode_labels; i++)
		if (strchr(c->node_labels[i], '=') == NULL)
			return (err_set(err, ERR_INVALID,
			    "--node-label: %s: write KEY=VALUE",
			    c->node_labels[i]));
	return (check_source(c, err) == 0 ? check_listen(c, err) : -1);
}

int
run_config_parse(int argc, char **argv, struct run_config *ret,
    struct err *err)
{
	struct run_config c = { .claim_unclassed = -1, .csi = -1,
	    .max_jobs = 4, .log_level = LOG_LEVEL_INFO,
	    .log_format = LOG_TEXT, .user = 65532 };
	struct seen seen = { { 0 } };
	int rc = 0;

	for (int i = 0; i < argc && rc == 0 && !c.help; i++)
		rc = parse_word(&c, &seen, argc, argv, &i, err);
	if (rc == 0 && !c.help) {
		if (c.config != NULL)
			rc = config_file(&c, &seen, err);
		if (rc == 0) {
			defaults_late(&c, &seen);
			rc = check_paths(&c, err);
		}
	}
	if (rc == -1) {
		run_config_clear(&c);
		return (-1);
	}
	*ret = c;
	return (0);
}

static void
list_free(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void
run_config_clear(struct run_config *c)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].type == FLAG_STRING)
			free(*(char **)field(c, flags[i].at));
	list_free(c->host_dirs, c->nhost_dirs);
	list_free(c->node_labels, c->nnode_labels);
	list_free(c->key_sources, c->nkey_sources);
	list_free(c->issuer_keys, c->nissuer_keys);
	memset(c, 0, sizeof(*c));
}

char *
run_config_help(void)
{
	cleanup_buf struct buf b = BUF_PLAIN(16384);

	buf_adds(&b, "usage: nodeseal run [--manifests DIR] [FLAG …]\n");
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		const struct flag *f = &flags[i];
		cleanup_free char *left = NULL;

		left = f->type == FLAG_BOOL ? str_fmt("--[no-]%s", f->name) :
		    str_fmt("--%s %s", f->name, f->value);
		buf_addf(&b, "  %-31s %s\n", left, f->help);
	}
	return (buf_take(&b));
}
