/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules: loading, C_Initialize, forks, restarts.  A module that was loaded
 * stays so: few survive dlclose(3).
 */
#include "p11.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>

struct p11_module {
	struct p11_module *next; /* immutable, as path and functions are */
	char *path;
	struct ck_function_list *functions;
	pthread_mutex_t lock;	/* protects what follows, and C_Initialize and C_Finalize */
	char *args;
	unsigned int refs;
	pid_t pid;		/* of whom it is initialised; 0: it is not */
	bool foreign;		/* somebody else of this process did that, and will end it */
	unsigned long generation;
	pthread_rwlock_t calls; /* held for reading by all that are inside */
	pthread_mutex_t login;
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct p11_module *modules; /* protected by list_lock */

/* ---- loading --------------------------------------------------------------------- */

/* A module whose server goes away raises it, now or when the process exits. */
static void ignore_sigpipe(void)
{
	struct sigaction now, ignore = { .sa_handler = SIG_IGN };

	if (!sigaction(SIGPIPE, NULL, &now) && now.sa_handler == SIG_DFL)
		sigaction(SIGPIPE, &ignore, NULL);
}

static int load(const char *path, struct ck_function_list **ret, struct kp_error *e)
{
	union { /* ISO C has no cast from an object's address to a function's */
		void *object;
		CK_C_GetFunctionList function;
	} get;
	void *dl;

	ignore_sigpipe();
	dl = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!dl)
		return kp_fail(e, -ENOTSUP, "name it by module in [pkcs11] of the configuration",
			       "cannot load the PKCS #11 module: %.180s", dlerror());
	get.object = dlsym(dl, "C_GetFunctionList");
	if (get.object && get.function(ret) == CKR_OK && *ret)
		return 0;
	dlclose(dl);
	return kp_fail(e, -ENOTSUP, "name one by module in [pkcs11] of the configuration",
		       "%.150s is no PKCS #11 module", path);
}

static void module_free(struct p11_module *m)
{
	if (!m)
		return;
	free(m->path);
	free(m->args);
	free(m);
}

static int module_new(const char *path, const char *args, struct p11_module **ret,
		      struct kp_error *e)
{
	struct p11_module *m = calloc(1, sizeof(*m));
	int r = 0;

	if (m) {
		m->path = strdup(path);
		m->args = args ? strdup(args) : NULL;
	}
	if (!m || !m->path || (args && !m->args))
		r = kp_fail(e, -EAGAIN, NULL, "no memory for a PKCS #11 module");
	if (!r)
		r = load(path, &m->functions, e);
	if (r) {
		module_free(m);
		return r;
	}
	pthread_mutex_init(&m->lock, NULL);
	pthread_mutex_init(&m->login, NULL);
	pthread_rwlock_init(&m->calls, NULL);
	*ret = m;
	return 0;
}

int p11_module_get(const char *path, const char *args, struct p11_module **ret, struct kp_error *e)
{
	struct p11_module *m;
	int r = 0;

	pthread_mutex_lock(&list_lock);
	for (m = modules; m && strcmp(m->path, path) != 0; m = m->next)
		;
	if (!m) {
		r = module_new(path, args, &m, e);
		if (!r) {
			m->next = modules;
			modules = m;
		}
	}
	pthread_mutex_unlock(&list_lock);
	if (r)
		return r;
	pthread_mutex_lock(&m->lock);
	m->refs++;
	pthread_mutex_unlock(&m->lock);
	*ret = m;
	return 0;
}

/* ---- beginning and ending it ------------------------------------------------------- */

static ck_rv_t initialize(struct p11_module *m)
{
	struct ck_c_initialize_args args = { .flags = CKF_OS_LOCKING_OK, .reserved = m->args };

	return m->functions->C_Initialize(&args);
}

static int begin_locked(struct p11_module *m, struct kp_error *e)
{
	bool forked = m->pid != 0;
	ck_rv_t rv = initialize(m);

	/* What a child inherits of its parent's is nothing to go on with. */
	if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED && forked) {
		m->functions->C_Finalize(NULL);
		rv = initialize(m);
	}
	m->pid = 0;
	if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
		return p11_fail(e, rv, "C_Initialize", m->path);
	m->foreign = rv == CKR_CRYPTOKI_ALREADY_INITIALIZED;
	m->pid = getpid();
	m->generation++;
	return 0;
}

static void end_locked(struct p11_module *m)
{
	if (m->pid == getpid() && !m->foreign)
		m->functions->C_Finalize(NULL);
	m->pid = 0;
}

int p11_module_enter(struct p11_module *m, unsigned long *ret_generation, struct kp_error *e)
{
	int r = 0;

	pthread_mutex_lock(&m->lock);
	if (m->pid && m->pid != getpid()) { /* nobody is inside: they stayed with the parent */
		pthread_rwlock_init(&m->calls, NULL);
		pthread_mutex_init(&m->login, NULL);
	}
	if (m->pid != getpid())
		r = begin_locked(m, e);
	if (!r) {
		pthread_rwlock_rdlock(&m->calls); /* for writing only under m->lock */
		*ret_generation = m->generation;
	}
	pthread_mutex_unlock(&m->lock);
	return r;
}

void p11_module_leave(struct p11_module *m)
{
	pthread_rwlock_unlock(&m->calls);
}

int p11_module_restart(struct p11_module *m, unsigned long seen, struct kp_error *e)
{
	int r = 0;

	pthread_mutex_lock(&m->lock);
	if (m->generation == seen && m->pid == getpid() && !m->foreign) {
		if (pthread_rwlock_trywrlock(&m->calls)) {
			r = kp_fail(e, -EAGAIN, NULL, "another call into the PKCS #11 module is "
				    "under way");
		} else {
			end_locked(m);
			r = begin_locked(m, e);
			pthread_rwlock_unlock(&m->calls);
		}
	}
	pthread_mutex_unlock(&m->lock);
	return r;
}

void p11_module_put(struct p11_module *m)
{
	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	if (!--m->refs)
		end_locked(m);
	pthread_mutex_unlock(&m->lock);
}

struct ck_function_list *p11_module_functions(struct p11_module *m)
{
	return m->functions;
}

pthread_mutex_t *p11_module_login_lock(struct p11_module *m)
{
	return &m->login;
}
