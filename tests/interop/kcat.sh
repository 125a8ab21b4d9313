#!/usr/bin/env bash
# kcat: metadata, produce, consume, offsets, headers, groups, errors.
. "$(dirname "$0")/checks.sh"

version() {
  kcat -V | tr '\n' ' ' | grep -qE "Version ${KCAT_VERSION//./\\.}( |$)" && return 0
  echo "Cannot run the checks: kcat $KCAT_VERSION is wanted, this one is: $(kcat -V | grep Version)"
  return 1
}
KCAT_VERSION=${KCAT_VERSION:?set by the runner}
check "kcat has the pinned version" version
[ "$FAILED" -eq 0 ] || finish

topic=kcat-$RANDOM$RANDOM
k() { timeout 60 kcat -b "$BOOTSTRAP" -X broker.address.family=v4 "$@"; }

metadata() { k -L | tee "$WORK/meta" | grep -E '^ *[0-9]+ brokers:' && grep -E 'broker [0-9]+ at ' "$WORK/meta"; }
check "-L lists the brokers" metadata

produce() { seq 1 5000 | sed 's/^/line /' >"$WORK/in" && k -P -t "$topic" -p 0 -l "$WORK/in"; }
check "-P creates the topic and sends 5,000 lines of a file" produce

consume() { k -C -t "$topic" -p 0 -o beginning -e -q >"$WORK/out" && same "$WORK/in" "$WORK/out"; }
check "-C from the beginning prints them in order, once" consume

tail10() { k -C -t "$topic" -p 0 -o -10 -e -q >"$WORK/out" && tail -n 10 "$WORK/in" >"$WORK/want" && same "$WORK/want" "$WORK/out"; }
check "-o -10 prints the last ten" tail10

middle() { k -C -t "$topic" -p 0 -o 2500 -c 3 -q -f '%o %s\n' >"$WORK/out" && printf '%s line %s\n' 2500 2501 2501 2502 2502 2503 >"$WORK/want" && same "$WORK/want" "$WORK/out"; }
check "-o 2500 -c 3 prints three from there" middle

query() { k -Q -t "$topic:0:-1" | tee "$WORK/out" && grep -q 'offset 5000' "$WORK/out"; }
check "-Q finds the end offset" query

headers() {
  printf 'key one:value one\nkey two:value two\n' | k -P -t "$topic-h" -p 0 -K: -H 'a=1' -H 'b=two words' || return 1
  k -C -t "$topic-h" -p 0 -o beginning -e -q -f '%o|%k|%s|%h\n' >"$WORK/out"
  printf '0|key one|value one|a=1,b=two words\n1|key two|value two|a=1,b=two words\n' >"$WORK/want"
  same "$WORK/want" "$WORK/out"
}
check "keys and headers" headers

nulls() {
  printf 'gone:\n' | k -P -t "$topic-n" -p 0 -K: -Z || return 1
  k -C -t "$topic-n" -p 0 -o beginning -e -q -f '%k %S\n' >"$WORK/out"
  echo 'gone -1' >"$WORK/want"
  same "$WORK/want" "$WORK/out"
}
check "-Z sends a null value" nulls

for codec in gzip snappy lz4 zstd; do
  compressed() {
    k -P -t "$topic-$codec" -p 0 -z "$codec" -l "$WORK/in" || return 1
    k -C -t "$topic-$codec" -p 0 -o beginning -e -q >"$WORK/out"
    same "$WORK/in" "$WORK/out"
  }
  check "-z $codec" compressed
done

large() {
  head -c 750000 /dev/urandom | base64 -w 0 >"$WORK/large" # a million characters on one line
  k -P -t "$topic-l" -p 0 -X message.max.bytes=2000000 -l "$WORK/large" || return 1
  k -C -t "$topic-l" -p 0 -o beginning -e -q -D '' -X fetch.message.max.bytes=2000000 >"$WORK/out"
  cmp "$WORK/large" "$WORK/out"
}
check "a record of 1 MB" large

times() {
  k -Q -t "$topic-h:0:0" >"$WORK/out" && grep -q 'offset 0' "$WORK/out" || return 1
  k -Q -t "$topic-h:0:4102444800000" >"$WORK/out" && grep -qE 'offset (2|-1)' "$WORK/out"
}
check "-Q finds the offset of a time" times

group() {
  k -G "g-$topic" -X auto.offset.reset=earliest -c 1000 -q "$topic" >"$WORK/first" 2>"$WORK/err" || { cat "$WORK/err"; return 1; }
  k -G "g-$topic" -X auto.offset.reset=earliest -c 4000 -q "$topic" >"$WORK/second" 2>"$WORK/err" || { cat "$WORK/err"; return 1; }
  cat "$WORK/first" "$WORK/second" >"$WORK/out"
  same "$WORK/in" "$WORK/out"
}
check "-G consumes 1,000 as a group and continues behind them" group

# refused WORDS ARGUMENTS…: kcat says so, in its own words or librdkafka's for Kafka's code, and fails where it consumes.
refused() {
  local words=$1 code
  shift
  k "$@" >"$WORK/out" 2>&1 </dev/null
  code=$?
  grep -qF "$words" "$WORK/out" && { [ "$code" -ne 0 ] || [ "$1" != -C ]; } && return 0
  echo "expected \"$words\", got exit $code:"
  cat "$WORK/out"
  return 1
}
check "an unknown topic is an error" refused "Unknown topic or partition" -C -t "$topic-nowhere" -p 0 -e -q
check "a partition that is not there is an error" refused "partition 99 does not exist" -C -t "$topic" -p 99 -e -q
check "a bad name is an error" refused "Invalid topic" -L -t "no/slash"
check "an offset out of range is an error" refused "Offset out of range" -C -t "$topic" -p 0 -o 99999 -e -q -X auto.offset.reset=error
too_large() {
  head -c 900000 /dev/urandom | base64 -w 0 >"$WORK/large" # 1.2 million characters on one line
  refused "Message size too large" -P -t "$topic-l" -p 0 -X message.max.bytes=2000000 -l "$WORK/large"
}
check "a record that is too large is an error" too_large

finish
