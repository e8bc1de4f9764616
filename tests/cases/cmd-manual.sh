# SPDX-License-Identifier: Apache-2.0
# Every verb, option, mount option, exit code and configuration key is in the
# manual, and the pages are clean.
. "$(dirname "$0")/../lib/case.sh"
need mandoc python3

text() { # rendered, without formatting, in one line; words broken at a hyphen are joined
	mandoc -T ascii "$1" | sed 's/.\x08//g' | sed -z 's/-\n */-/g' | tr -s ' \n' ' '
}
manual=$(text "$TOP/man/cmkfs.1")
has() { # WORDS WHERE
	grep -qF -- "$1" <<<"$2" || fail "'$1' is not in the manual"
}

# The lines of `cmkfs help` between Verbs: and Options: begin with the verb, two spaces end it.
mapfile -t verbs < <(cmkfs help | sed -n '/^Verbs:/,/^Options:/s/^ \([a-z][a-z -]*[a-z]\)  .*/\1/p')
[ "${#verbs[@]}" -ge 20 ] || fail "cmkfs help lists ${#verbs[@]} verbs"
for v in "${verbs[@]}"; do
	has " $v " "$manual"
	# shellcheck disable=SC2086 # a verb is words
	help=$(cmkfs $v --help) || fail "$v --help failed"
	grep -q "^ cmkfs $v" <<<"$help" || fail "no usage line of $v"
	while read -r option; do
		[ "$option" = --help ] || has "$option" "$manual"
	done < <(grep -oE '^ (-., |    )--[a-z-]+' <<<"$help" | grep -oE -- '--[a-z-]+')
done
while read -r option; do
	has "${option%%=*}" "$manual"
done < <(cmkfs mount --help | sed -n '/^Mount options/,/^ and/s/^ \([a-z_-]*\)[= ].*/\1/p')

for code in 0 1 2 3 4 5 6 7 8 9; do
	grep -qE "EXIT STATUS.* $code " <<<"$manual" || fail "exit code $code is not in the manual"
done

conf=$(text "$TOP/man/cmkfs.conf.5")
keys=$(grep -oE 'X\("[a-z]+", "[a-z-]+"' "$TOP/fs/lib/config.h" | cut -d'"' -f4)
[ -n "$keys" ] || fail "no keys in config.h"
for k in $keys; do
	has " $k = " "$conf"
done

# Of each provider: its section, and its keys in it.
settings=$(cmkfs providers --json |
	json '"\n".join(" ".join([p["provider"]] + [k["name"] for k in p["configuration"]]) for p in d if p["configuration"])')
while read -r provider keys; do
	has "In [$provider]:" "$conf"
	for k in $keys; do
		has " $k = " "${conf#*In \[$provider\]:}"
	done
done <<<"$settings"

for page in "$TOP"/man/*.[1-8]; do
	out=$(mandoc -T lint "$page" 2>&1) || true
	[ -z "$out" ] || fail "$page: $out"
done

# The figures of cmkfs-performance(7) are those of the results in the tree.
python3 -B "$TOP/tests/bench/page.py" --check ||
	fail "cmkfs-performance(7) has other figures: run tests/bench/page.py"
python3 -B "$TOP/tests/bench/page_scale.py" --check ||
	fail "cmkfs-performance(7) has other figures: run tests/bench/page_scale.py"
