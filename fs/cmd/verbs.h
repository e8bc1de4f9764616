/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of verbs, in the order of `cmkfs help`.  A new one is a file in
 * fs/cmd/ that defines `const struct verb verb_NAME`, and a line here.  Verbs
 * of several words stand together.
 */
#ifndef CMKFS_VERBS_H
#define CMKFS_VERBS_H

#define VERBS(X)                                                                                   \
	X(init)                                                                                    \
	X(mount)                                                                                   \
	X(umount)                                                                                  \
	X(status)                                                                                  \
	X(info)                                                                                    \
	X(lock)                                                                                    \
	X(unlock)                                                                                  \
	X(key_show)                                                                                \
	X(key_check)                                                                               \
	X(key_add)                                                                                 \
	X(key_remove)                                                                              \
	X(key_set)                                                                                 \
	X(key_rotate)                                                                              \
	X(key_reset)                                                                               \
	X(key_backup)                                                                              \
	X(key_restore)                                                                             \
	X(key_test)                                                                                \
	X(zone_create)                                                                             \
	X(zone_list)                                                                               \
	X(zone_destroy)                                                                            \
	X(erase)                                                                                   \
	X(certificate_verify)                                                                      \
	X(volume_destroy)                                                                          \
	X(deploy_create)                                                                           \
	X(deploy_delete)                                                                           \
	X(deploy_list)                                                                             \
	X(identity_show)                                                                           \
	X(identity_on)                                                                             \
	X(identity_off)                                                                            \
	X(vault_create)                                                                            \
	X(vault_list)                                                                              \
	X(vault_show)                                                                              \
	X(vault_update)                                                                            \
	X(vault_firewall)                                                                          \
	X(vault_delete)                                                                            \
	X(vault_recover)                                                                           \
	X(vault_purge)                                                                             \
	X(vault_key_create)                                                                        \
	X(vault_key_import)                                                                        \
	X(vault_key_list)                                                                          \
	X(vault_key_show)                                                                          \
	X(vault_key_rotate)                                                                        \
	X(vault_key_rotation)                                                                      \
	X(vault_key_update)                                                                        \
	X(vault_key_enable)                                                                        \
	X(vault_key_disable)                                                                       \
	X(vault_key_delete)                                                                        \
	X(vault_key_recover)                                                                       \
	X(vault_key_purge)                                                                         \
	X(vault_policy_set)                                                                        \
	X(vault_policy_delete)                                                                     \
	X(vault_policy_list)                                                                       \
	X(vault_backup)                                                                            \
	X(vault_restore)                                                                           \
	X(vault_maintain)                                                                          \
	X(vault_master_show)                                                                       \
	X(vault_master_set)                                                                        \
	X(verify)                                                                                  \
	X(fsck)                                                                                    \
	X(audit_show)                                                                              \
	X(audit_verify)                                                                            \
	X(audit_rotate)                                                                            \
	X(benchmark)                                                                               \
	X(providers)                                                                               \
	X(help)                                                                                    \
	X(version)

#endif
