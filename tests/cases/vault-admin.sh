# SPDX-License-Identifier: Apache-2.0
# The embedded vault by its verbs: what they make, list and refuse, with exit
# codes, hints and JSON.
. "$(dirname "$0")/../lib/case.sh"
need openssl

# ---- nothing there yet
[ "$(cmkfs vault list --json)" = "[]" ] || fail "vaults on a new host"
expect_error 5 'vault.db' cmkfs vault show prod
[ ! -e "$CMKFS_STATE_DIR/vault.db" ] || fail "looking made a database"

# ---- vaults
cmkfs vault create prod --purge-protection --tenant acme --region eu --retention 7
cmkfs vault create local://Scratch
cmkfs vault list --json >list
[ "$(json '[v["vault"] for v in d]' <list)" = "['prod', 'scratch']" ] || fail "list: $(cat list)"
cmkfs vault show --json prod >show
for pair in purge_protection=True soft_delete=True retention_days=7 tenant=acme region=eu \
	firewall=off trusted_services=False keys=0 role=customer deleted=None; do
	[ "$(json "d['${pair%=*}']" <show)" = "${pair#*=}" ] || fail "${pair%=*}: $(cat show)"
done
cmkfs vault list | grep -q '^prod ' || fail "no line for prod"
expect_error 1 'vault prod already' cmkfs vault create prod
expect_error 4 'service' cmkfs vault create service
expect_error 2 'not the name' cmkfs vault create 'a b'
expect_error 2 'retention' cmkfs vault create x --retention 6
expect_error 2 'retention' cmkfs vault create x --retention 91
expect_error 2 'soft delete' cmkfs vault create x --no-soft-delete --purge-protection
expect_error 4 'no vault nope' cmkfs vault show nope
cmkfs vault update scratch --retention 30 --region us
[ "$(cmkfs vault show --json scratch | json 'd["retention_days"], d["region"]')" = "(30, 'us')" ]
cmkfs vault firewall scratch on --trusted-services
[ "$(cmkfs vault show --json scratch | json 'd["firewall"], d["trusted_services"]')" = "('on', True)" ]
expect_error 2 'neither on nor off' cmkfs vault firewall scratch maybe

# ---- keys
kid=$(cmkfs vault key create local://prod/keys/k --size 3072 --expires +90d)
[[ $kid =~ ^local://prod/keys/k/[0-9a-f]{32}$ ]] || fail "kid: $kid"
expect_error 1 'key k in vault prod already' cmkfs vault key create local://prod/keys/k
expect_error 4 '1024 bits' cmkfs vault key create local://prod/keys/s --size 1024
expect_error 2 'not a time' cmkfs vault key create local://prod/keys/s --expires tomorrow
expect_error 2 'before it is valid' cmkfs vault key create local://prod/keys/s \
	--not-before 2030-01-02 --expires 2030-01-01
expect_error 2 'URI of a key' cmkfs vault key create prod/k
new=$(cmkfs vault key rotate local://prod/keys/k)
cmkfs vault key show --json local://prod/keys/k >show
[ "$(json '[v["kid"] for v in d["versions"]]' <show)" = "['$new', '$kid']" ] || fail "versions"
[ "$(json '[v["bits"] for v in d["versions"]]' <show)" = "[3072, 3072]" ] || fail "sizes"
[ "$(json '[v["expires"] is None for v in d["versions"]]' <show)" = "[True, False]" ]
cmkfs vault key update "$kid" --not-before 2031-02-03T04:05:06Z --expires none
[ "$(cmkfs vault key show --json "$kid" | json 'd["versions"][0]["not_before"]')" = 2031-02-03T04:05:06Z ]
cmkfs vault key disable "$kid"
cmkfs vault key disable local://prod/keys/k
cmkfs vault key enable local://prod/keys/k
[ "$(cmkfs vault key show --json local://prod/keys/k |
	json 'd["enabled"], [v["enabled"] for v in d["versions"]]')" = "(True, [True, False])" ]
openssl genrsa 2048 2>/dev/null | cmkfs vault key import local://prod/keys/mine >/dev/null
[ "$(cmkfs vault key list --json prod | json 'sorted(k["uri"] for k in d)')" = \
	"['local://prod/keys/k', 'local://prod/keys/mine']" ] || fail "key list"
echo rubbish >rubbish
expect_error 2 'no key that can be read' cmkfs vault key import local://prod/keys/x --file rubbish
expect_error 2 'cannot read' cmkfs vault key import local://prod/keys/x --file missing
cmkfs key test local://prod/keys/mine >/dev/null

# ---- deletion: soft, recovered, and purged only where nothing protects
cmkfs vault key delete local://prod/keys/k
[ "$(cmkfs vault key list --json --deleted prod | json '[k["uri"] for k in d]')" = "['local://prod/keys/k']" ]
expect_error 4 'deleted' cmkfs key test local://prod/keys/k
grep -q 'vault key recover local://prod/keys/k' <<<"$out" || fail "no mending command: $out"
expect_error 4 'purge protection' cmkfs vault key purge local://prod/keys/k
cmkfs vault key recover local://prod/keys/k
expect_error 1 'not deleted' cmkfs vault key recover local://prod/keys/k
cmkfs vault key create local://scratch/keys/k >/dev/null
cmkfs vault key delete local://scratch/keys/k
cmkfs vault key purge local://scratch/keys/k
expect_error 4 'no key k' cmkfs vault key recover local://scratch/keys/k
cmkfs vault delete prod
[ "$(cmkfs vault list --json --deleted | json 'd[0]["vault"], d[0]["purge_at"] > d[0]["deleted"]')" = \
	"('prod', True)" ] || fail "deleted vaults"
expect_error 4 'purge protection' cmkfs vault purge prod
cmkfs vault recover prod
cmkfs key test local://prod/keys/mine >/dev/null
cmkfs vault delete scratch
cmkfs vault purge scratch
expect_error 4 'no vault scratch' cmkfs vault show scratch

# ---- one version: deleted, refused by its number, recovered
two=$(cmkfs vault key create local://prod/keys/two)
new=$(cmkfs vault key rotate local://prod/keys/two)
cmkfs vault key delete "$two"
[ "$(cmkfs vault key show --json local://prod/keys/two |
	json 'd["versions"][1]["deleted"] < d["versions"][1]["purge_at"], d["versions"][0]["deleted"]')" = "(True, None)" ]
expect_error 4 'is deleted' cmkfs key test "$two"
cmkfs key test local://prod/keys/two >/dev/null
expect_error 4 'purge protection' cmkfs vault key purge "$two"
cmkfs vault key recover "$two"
cmkfs key test "$two" >/dev/null

# ---- retention under protection only grows
cmkfs vault update prod --retention 8
expect_error 4 'only be made longer' cmkfs vault update prod --retention 7

# ---- rotation by age, carried out by maintain
expect_error 2 'say either' cmkfs vault key rotation local://prod/keys/two
expect_error 2 'not an age' cmkfs vault key rotation local://prod/keys/two --after soon
expect_error 2 'before it is rotated away' cmkfs vault key rotation local://prod/keys/two --after 9d --expires-after 9d
cmkfs vault key rotation local://prod/keys/two --after 1s --expires-after 180d
[ "$(cmkfs vault key show --json local://prod/keys/two | json 'd["rotate_after"], d["expire_after"]')" = "('1s', '180d')" ]
sleep 1.1
[ "$(cmkfs vault maintain --dry-run --json | json '[a["action"] for a in d]')" = "['rotate']" ]
cmkfs vault maintain --json >did
[ "$(json '[(a["action"], a["object"], a["error"]) for a in d]' <did)" = "[('rotate', 'local://prod/keys/two', None)]" ] ||
	fail "$(cat did)"
[ "$(cmkfs vault key show --json local://prod/keys/two | json 'd["versions"][0]["version"]')" = \
	"$(json 'd[0]["version"]' <did)" ] || fail "another version than the listing says"
cmkfs vault key rotation local://prod/keys/two --off
sleep 1.1
[ "$(cmkfs vault maintain --json)" = "[]" ] || fail "rotated though it is off"
expect_error 2 'not possible' cmkfs vault maintain --audit-keep 0
[ "$(CMKFS_STATE_DIR=$CASE_DIR/none cmkfs vault maintain --json)" = "[]" ] || fail "a host without vaults"

# ---- policies
cmkfs vault policy set prod someone use 2>note
[ "$(cmkfs vault policy list --json prod | json 'd[0]["permissions"]')" = "['get', 'wrapKey', 'unwrapKey']" ]
cmkfs vault policy set prod someone get,wrapKey,unwrapKey 2>note
grep -q 'no identity someone' note || fail "no word of an unknown identity"
[ "$(cmkfs vault policy list --json prod | json 'd')" = \
	"[{'principal': 'someone', 'permissions': ['get', 'wrapKey', 'unwrapKey']}]" ] || fail policies
expect_error 2 "'all' is not a permission" cmkfs vault policy set prod someone get,all
cmkfs vault policy delete prod someone
expect_error 4 'no policy for someone' cmkfs vault policy delete prod someone
[ "$(cmkfs vault policy list --json prod)" = "[]" ]

# ---- identities
mkvol vol
[ "$(cmkfs identity show --json vol | json 'd["state"], d["principal"][:6]')" = "('on', 'cmkfs-')" ]
cmkfs identity off vol
[ "$(cmkfs identity show --json vol | json 'd["state"]')" = off ]
cmkfs identity on vol
[ "$(cmkfs identity show --json vol | json 'd["state"]')" = on ]
expect_error 3 '' cmkfs identity show .

# ---- the master key
chmod 0640 "$CMKFS_STATE_DIR/vault.key"
expect_error 5 'can be read by others' cmkfs vault list
chmod 0600 "$CMKFS_STATE_DIR/vault.key"
mv "$CMKFS_STATE_DIR/vault.key" away
expect_error 5 'vault.key' cmkfs vault create another
[ ! -e "$CMKFS_STATE_DIR/vault.key" ] || fail "a new master key beside an old database"
mv away "$CMKFS_STATE_DIR/vault.key"
cmkfs vault list >/dev/null
[ "$(cmkfs providers --json | json 'd[0]["provider"], d[0]["schemes"]')" = "('local', ['local://'])" ]
