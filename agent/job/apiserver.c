/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/keeper.h"
#include "job/apiserver.h"

static struct {
	int account, kubeconfig;
} given;

int
apiserver_found(void)
{
	given.account = fcntl(KEEPER_ACCOUNT_FD, F_GETFD) != -1;
	given.kubeconfig = fcntl(KEEPER_KUBECONFIG_FD, F_GETFD) != -1;
	return (given.account ? KEEPER_ACCOUNT_FD : 0);
}

void
apiserver_close(void)
{
	if (given.account)
		close(KEEPER_ACCOUNT_FD);
	if (given.kubeconfig)
		close(KEEPER_KUBECONFIG_FD);
	given.account = given.kubeconfig = 0;
}

int
apiserver_config(const char *server, struct kube_config *ret, struct err *err)
{
	int rc;

	*ret = (struct kube_config){ 0 };
	if (given.kubeconfig)
		rc = kube_config_file(KEEPER_KUBECONFIG_FD, ret, err);
	else if (given.account)
		rc = kube_config_account(KEEPER_ACCOUNT_FD, server, ret, err);
	else
		rc = err_set(err, ERR_INVALID, "there is no API server here");
	apiserver_close();
	return (rc);
}
