#!/usr/bin/env bash
# Apache Kafka 4.3.1's own tools: topics, console producer and consumer, performance, offsets, versions.
. "$(dirname "$0")/checks.sh"

LIBS=${LIBS:?set LIBS to the folder of Kafka\'s jars}
tools=org.apache.kafka.tools
topic=java-$RANDOM$RANDOM
j() { timeout 90 java -Xmx256m -XX:TieredStopAtLevel=1 -cp "$LIBS/*" "$@"; }
matches() { # matches PATTERN COMMAND…: exit 0 and a line of the output matches
  local pattern=$1
  shift
  "$@" >"$WORK/o" 2>&1 || { cat "$WORK/o"; return 1; }
  grep -qE -- "$pattern" "$WORK/o" || { echo "no line matches $pattern:"; cat "$WORK/o"; return 1; }
}
bs=(--bootstrap-server "$BOOTSTRAP")

check "BrokerApiVersionsCommand" matches 'Produce\(0\): .* \[usable: [0-9]+\]' j $tools.BrokerApiVersionsCommand "${bs[@]}"
check "TopicCommand --create" matches 'Created topic' j $tools.TopicCommand "${bs[@]}" --create --topic "$topic" --partitions 3 --replication-factor 1
check "TopicCommand --list" matches "^$topic\$" j $tools.TopicCommand "${bs[@]}" --list
check "TopicCommand --describe" matches "Topic: $topic.*PartitionCount: 3.*ReplicationFactor: 1" j $tools.TopicCommand "${bs[@]}" --describe --topic "$topic"

produce() {
  printf 'This is a message\nThis is another message\n' >"$WORK/in"
  j $tools.ConsoleProducer "${bs[@]}" --topic "$topic-c" <"$WORK/in"
}
check "ConsoleProducer (idempotent, as is its default)" produce

consume() {
  j $tools.consumer.ConsoleConsumer "${bs[@]}" --topic "$topic-c" --from-beginning --max-messages 2 --timeout-ms 30000 >"$WORK/out" 2>"$WORK/err" || { cat "$WORK/err"; return 1; }
  same "$WORK/in" "$WORK/out"
}
check "ConsoleConsumer --from-beginning" consume

keyed() {
  printf 'k1:v1\nk2:v2\n' | j $tools.ConsoleProducer "${bs[@]}" --topic "$topic-k" --reader-property parse.key=true --reader-property key.separator=: || return 1
  j $tools.consumer.ConsoleConsumer "${bs[@]}" --topic "$topic-k" --from-beginning --group "g-$topic" --max-messages 2 --timeout-ms 30000 --formatter-property print.key=true --formatter-property print.offset=true >"$WORK/out" 2>"$WORK/err" || { cat "$WORK/err"; return 1; }
  printf 'Offset:0\tk1\tv1\nOffset:1\tk2\tv2\n' >"$WORK/want"
  same "$WORK/want" "$WORK/out"
}
check "ConsoleProducer parse.key, ConsoleConsumer --group print.key" keyed

for codec in none gzip snappy lz4 zstd; do
  check "ProducerPerformance $codec" matches '20000 records sent' j $tools.ProducerPerformance --topic "$topic" --num-records 20000 --record-size 200 --throughput -1 --producer-props "bootstrap.servers=$BOOTSTRAP" "compression.type=$codec" enable.idempotence=true acks=all
done

ends() {
  j $tools.GetOffsetShell "${bs[@]}" --topic "$topic" >"$WORK/o" 2>&1 || { cat "$WORK/o"; return 1; }
  local sum
  sum=$(awk -F: -v t="$topic" '$1 == t { s += $3 } END { print s }' "$WORK/o")
  [ "$sum" = 100000 ] || { echo "sum of the end offsets: $sum"; cat "$WORK/o"; return 1; }
}
check "GetOffsetShell: the end offsets add up to 100,000" ends

check "ConsumerPerformance reads them" matches ', 10[0-9]{4}, ' j $tools.ConsumerPerformance "${bs[@]}" --topic "$topic" --messages 100000 --group "p-$topic" --timeout 30000

verifiable() {
  matches '"acked":5000' j $tools.VerifiableProducer "${bs[@]}" --topic "$topic-v" --max-messages 5000 --acks -1 || return 1
  matches 'offsets_committed' j $tools.VerifiableConsumer "${bs[@]}" --topic "$topic-v" --group-id "v-$topic" --max-messages 5000 --reset-policy earliest --group-protocol classic
}
check "VerifiableProducer and VerifiableConsumer (classic group)" verifiable

gone() {
  j $tools.TopicCommand "${bs[@]}" --delete --topic "$topic" || return 1
  sleep 1
  j $tools.TopicCommand "${bs[@]}" --list >"$WORK/o" || return 1
  ! grep -qx "$topic" "$WORK/o"
}
check "TopicCommand --delete" gone

finish
