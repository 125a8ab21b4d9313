#!/usr/bin/env bash
# The console producer and consumer of Apache Kafka 4.3.1. Its other tools: kafka_java_tools.sh.
. "$(dirname "$0")/checks.sh"

LIBS=${LIBS:?set LIBS to the folder of Kafka\'s jars}
tools=org.apache.kafka.tools
topic=java-$RANDOM$RANDOM
j() { timeout 90 java -Xmx256m -XX:TieredStopAtLevel=1 -cp "$LIBS/*" "$@"; }
bs=(--bootstrap-server "$BOOTSTRAP")

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

finish
