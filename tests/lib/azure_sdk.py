# SPDX-License-Identifier: Apache-2.0
"""Microsoft's own clients drive the double of Azure: what they take for the
service is what our provider is tested against.

azure_sdk.py https://localhost:PORT http://127.0.0.1:METADATA-PORT TENANT CLIENT
    SECRET-FILE CERTIFICATE TOKEN-FILE

Expects REQUESTS_CA_BUNDLE.  Prints what passed; the first surprise ends it.
"""
import os
import sys
from datetime import datetime, timedelta, timezone

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import (CertificateCredential, ClientSecretCredential,
                            ManagedIdentityCredential, WorkloadIdentityCredential)
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm

OAEP = KeyWrapAlgorithm.rsa_oaep_256
SECRET = bytes(range(32))


def clients(url, credential):
    def crypto(key):
        return CryptographyClient(key, credential, verify_challenge_resource=False)
    return KeyClient(url, credential, verify_challenge_resource=False), crypto


def refused(inner, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except HttpResponseError as e:
        inner_error = (e.error.innererror or {}) if e.error else {}
        assert e.status_code == 403 and inner_error.get("code") == inner, (inner, e)
        return
    raise AssertionError(f"{inner} was not said")


def credentials(url, metadata, tenant, client, secret, certificate, token):
    sign_in = {"authority": url, "disable_instance_discovery": True}
    with open(secret, encoding="ascii") as f:
        yield "secret", ClientSecretCredential(tenant, client, f.read().strip(), **sign_in)
    yield "certificate", CertificateCredential(tenant, client, certificate, **sign_in)
    yield "workload", WorkloadIdentityCredential(tenant_id=tenant, client_id=client,
                                                 token_file_path=token, **sign_in)
    os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = metadata
    yield "metadata", ManagedIdentityCredential()
    yield "user-assigned", ManagedIdentityCredential(client_id=client)
    os.environ["IDENTITY_ENDPOINT"] = metadata + "/msi/token"
    os.environ["IDENTITY_HEADER"] = "header-of-the-run"
    yield "app-service", ManagedIdentityCredential()


def round_trip(url, credential):
    keys, crypto = clients(url, credential)
    key = keys.get_key("cmk")
    remote = crypto(key.id)
    # By the id alone the client wraps at the service until it has fetched the key.
    blob = remote.wrap_key(OAEP, SECRET).encrypted_key
    assert remote.unwrap_key(OAEP, blob).key == SECRET
    assert crypto(key).unwrap_key(OAEP, blob).key == SECRET


def oddities(url, credential):
    """As the live service: what a disabled and what an expired key still does."""
    keys, crypto = clients(url, credential)
    key = keys.create_rsa_key("odd", size=2048)
    blob = crypto(key.id).wrap_key(OAEP, SECRET).encrypted_key
    off = keys.update_key_properties("odd", enabled=False)
    assert off.properties.enabled is False and off.properties.recovery_level == "Recoverable"
    refused("KeyDisabled", crypto(key.id).unwrap_key, OAEP, blob)
    past = datetime.now(timezone.utc) - timedelta(days=1)
    keys.update_key_properties("odd", enabled=True, expires_on=past)
    assert crypto(key.id).unwrap_key(OAEP, blob).key == SECRET
    keys.update_key_properties("odd", expires_on=datetime.now(timezone.utc) + timedelta(days=1))
    new = keys.rotate_key("odd")
    assert new.properties.version != key.properties.version
    assert keys.get_key("odd").properties.version == new.properties.version
    assert crypto(key.id).unwrap_key(OAEP, blob).key == SECRET
    keys.begin_delete_key("odd").wait()
    try:
        keys.get_key("odd")
        raise AssertionError("a deleted key is found")
    except ResourceNotFoundError:
        pass
    keys.begin_recover_deleted_key("odd").wait()
    assert crypto(key.id).unwrap_key(OAEP, blob).key == SECRET
    keys.begin_delete_key("odd").wait()
    refused("ForbiddenByPurgeProtection", keys.purge_deleted_key, "odd")


def main():
    url = sys.argv[1]
    for name, credential in credentials(*sys.argv[1:]):
        round_trip(url, credential)
        print("passed", name, flush=True)
        if name == "secret":
            oddities(url, credential)
            print("passed oddities", flush=True)


main()
