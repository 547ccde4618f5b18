#!/usr/bin/env bash
# The HTML report in a real browser, over 10,000 decisions: it renders, in light and in dark, runs no script, and asks no network for anything.
set -euo pipefail
. tests/lanes/lib.sh
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || :)
if [ -z "$browser" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >target/lanes/chromium.log 2>&1 || :
  browser=$(command -v chromium || :)
fi
[ -n "$browser" ] || skip "no chromium, and it cannot be installed here"
command -v jq >/dev/null || skip "jq is missing"
need_built
program=$(built_directory)/imgcompat
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One in fifty would be refused; its image's name tries to be markup.
mkdir -p "$work/var/log/imgcompat" "$work/etc"
echo node-1 >"$work/etc/hostname"
now=$(date +%s)
seq 10000 | jq -c --argjson now "$now" '
  (. % 50 == 0) as $bad
  | (if $bad then "r.example/ml:2\"><script>document.title=1</script><img src=http://127.0.0.1:9/x>" else "r.example/app\(. % 7):1" end) as $image
  | {time: ($now - 10 * 86400 + . * 86 | todate), container: "\(1000000 + .)", engine: "podman", image: $image, mode: "audit",
     verdict: (if $bad then "incompatible" else "compatible" end), cause: null, decision: "allow",
     under_enforce: (if $bad then "deny" else "allow" end), reason: "\($image) needs cpu.cpuid AVX512F (Exists)", duration_us: (. % 97 * 60), version: "1"}' \
  >"$work/var/log/imgcompat/decisions.jsonl"
"$program" report --root "$work" --output html --out "$work/report.html"

# The browser's own errands (updates, and the like) are switched off; names resolve to nothing.
browse() {
  timeout 60 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run --user-data-dir="$work/profile" \
    --disable-background-networking --disable-component-update --disable-sync --disable-default-apps --disable-extensions \
    --host-resolver-rules='MAP * ~NOTFOUND' --window-size=1100,2600 "$@" "file://$work/report.html"
}
browse --log-net-log="$work/net.json" --dump-dom >"$work/dom.html" 2>"$work/browser.log"
for expected in 'Not safe to enforce: 200 starts would have been refused (images: 1).' 'r.example/ml:2"&gt;&lt;script&gt;' '<title>imgcompat on node-1</title>' '<svg '; do
  grep -qF -- "$expected" "$work/dom.html" || { echo "the browser shows no '$expected'"; exit 1; }
done
if grep -qE '<(script|img)' "$work/dom.html"; then echo "text became markup"; exit 1; fi
# What was asked for, by the browser's own account; errands to its maker's hosts are not the page's.
asked=$(jq -r '[.events[].params? | objects | .url? // empty | select(test("^(file|data|chrome[a-z-]*|about):|^https?://[a-z0-9.]+[.]google(apis)?[.]com/") | not)] | unique[]' "$work/net.json")
[ -z "$asked" ] || { printf 'the page asked for: %s\n' "$asked"; exit 1; }

browse --screenshot="$work/light.png" 2>>"$work/browser.log"
browse --blink-settings=preferredColorScheme=0 --screenshot="$work/dark.png" 2>>"$work/browser.log"
for picture in light dark; do
  [ "$(stat -c %s "$work/$picture.png")" -gt 50000 ] || { echo "$picture.png is almost empty"; exit 1; }
done
if cmp -s "$work/light.png" "$work/dark.png"; then echo "dark is as light"; exit 1; fi
cp "$work/report.html" "$work/light.png" "$work/dark.png" target/lanes/
echo "summary: $("$browser" --version 2>/dev/null | cut -d' ' -f1,2) renders 10,000 decisions ($(stat -c %s "$work/report.html") bytes), no request (target/lanes/light.png, dark.png)"
