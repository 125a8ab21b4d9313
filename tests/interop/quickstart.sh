#!/usr/bin/env bash
# Kafka's quick start, its lines word for word, on the default ports; then Kafka's own programs on the same data.
. "$(dirname "$0")/checks.sh"
cd "$ROOT" || exit 1

export KAVKA_DATA=$WORK/data # instead of the folder that config/server.properties names
LIBS=${LIBS:?set LIBS to the folder of Kafka\'s jars}
tools=org.apache.kafka.tools
j() { timeout 90 java -Xmx256m -XX:TieredStopAtLevel=1 -cp "$LIBS/*" "$@"; }
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

for port in 9092 8080; do
  if listening $port; then
    echo "FAIL ports 9092 and 8080 are free: another program listens on $port"
    exit 1
  fi
done

zookeeper() {
  bin/zookeeper-server-start.sh config/zookeeper.properties
}
check "bin/zookeeper-server-start.sh says who plays that role, and ends with 0" zookeeper

SERVER=
stop_server() { # by its own pid, in case the check of kafka-server-stop.sh did not
  if [ -n "$SERVER" ] && kill -0 "$SERVER" 2>/dev/null; then kill "$SERVER"; fi
  rm -rf "$WORK"
}
trap stop_server EXIT

start() {
  bin/kafka-server-start.sh config/server.properties >"$WORK/server.out" 2>"$WORK/server.err" &
  SERVER=$!
  for _ in $(seq 300); do
    grep -q 'kavka: kafka listening on 127.0.0.1:9092' "$WORK/server.out" && return 0
    kill -0 "$SERVER" 2>/dev/null || break
    sleep 0.1
  done
  cat "$WORK/server.out" "$WORK/server.err"
  return 1
}
check "bin/kafka-server-start.sh config/server.properties" start

create() {
  bin/kafka-topics.sh --create --zookeeper localhost:2181 --replication-factor 1 --partitions 1 --topic test 2>"$WORK/err" || { cat "$WORK/err"; return 1; }
  [ "$(wc -l <"$WORK/err")" = 1 ] || { echo "not one line on standard error:"; cat "$WORK/err"; return 1; }
}
check "bin/kafka-topics.sh --create --zookeeper localhost:2181 … --topic test" create

list() {
  bin/kafka-topics.sh --list --zookeeper localhost:2181 2>/dev/null >"$WORK/out" || return 1
  echo test >"$WORK/want"
  same "$WORK/want" "$WORK/out" && bin/kafka-topics.sh --list --bootstrap-server localhost:9092 >"$WORK/out" && same "$WORK/want" "$WORK/out"
}
check "bin/kafka-topics.sh --list" list

printf 'This is a message\nThis is another message\n' >"$WORK/messages"

produce() {
  bin/kafka-console-producer.sh --broker-list localhost:9092 --topic test <"$WORK/messages"
}
check "bin/kafka-console-producer.sh --broker-list localhost:9092 --topic test" produce

# The tutorial's line runs until it is interrupted.
consume() {
  bin/kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic test --from-beginning >"$WORK/out" 2>"$WORK/err" &
  local consumer=$!
  for _ in $(seq 200); do
    [ "$(wc -l <"$WORK/out")" -ge 2 ] && break
    sleep 0.1
  done
  sleep 0.5 # a third line would be one too many
  kill -INT "$consumer" 2>/dev/null || kill "$consumer"
  wait "$consumer"
  same "$WORK/messages" "$WORK/out" || { cat "$WORK/err"; return 1; }
}
check "bin/kafka-console-consumer.sh … --from-beginning prints the two messages in order" consume

describe() {
  bin/kafka-topics.sh --describe --zookeeper localhost:2181 --topic test 2>/dev/null | tee "$WORK/out" &&
    grep -qE 'Topic: ?test.*PartitionCount: ?1.*ReplicationFactor: ?1' "$WORK/out" &&
    grep -qE 'Partition: ?0.*Leader: ?[0-9]+.*Replicas: ?[0-9]+.*Isr: ?[0-9]+' "$WORK/out"
}
check "bin/kafka-topics.sh --describe" describe

options() {
  bin/kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic test --partition 0 --offset 1 --max-messages 1 --property print.key=true --property print.offset=true >"$WORK/out" 2>"$WORK/err" || { cat "$WORK/err"; return 1; }
  printf 'Offset:1\tnull\tThis is another message\n' >"$WORK/want"
  same "$WORK/want" "$WORK/out"
}
check "bin/kafka-console-consumer.sh --partition --offset --max-messages --property" options

group() {
  bin/kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic test --group quick --from-beginning --max-messages 1 >"$WORK/out" 2>"$WORK/err" || { cat "$WORK/err"; return 1; }
  bin/kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic test --group quick --from-beginning --max-messages 1 >>"$WORK/out" 2>"$WORK/err" || { cat "$WORK/err"; return 1; }
  same "$WORK/messages" "$WORK/out"
}
check "bin/kafka-console-consumer.sh --group continues behind what it consumed" group

timed_out() {
  bin/kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic test --from-beginning --timeout-ms 2000 >"$WORK/out" 2>"$WORK/err"
  same "$WORK/messages" "$WORK/out"
}
check "bin/kafka-console-consumer.sh --timeout-ms ends by itself" timed_out

java_topics() {
  j $tools.TopicCommand --bootstrap-server localhost:9092 --describe --topic test | grep -E 'Topic: test.*PartitionCount: 1'
}
check "Kafka's TopicCommand describes the topic" java_topics

java_consume() {
  j $tools.consumer.ConsoleConsumer --bootstrap-server localhost:9092 --topic test --from-beginning --max-messages 2 --timeout-ms 30000 >"$WORK/out" 2>"$WORK/err" || { cat "$WORK/err"; return 1; }
  same "$WORK/messages" "$WORK/out"
}
check "Kafka's ConsoleConsumer prints the same two messages" java_consume

java_produce() {
  j $tools.ConsoleProducer --bootstrap-server localhost:9092 --topic test <"$WORK/messages" || return 1
  cat "$WORK/messages" "$WORK/messages" >"$WORK/want"
  bin/kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic test --from-beginning --max-messages 4 >"$WORK/out" 2>"$WORK/err" || { cat "$WORK/err"; return 1; }
  same "$WORK/want" "$WORK/out"
}
check "what Kafka's ConsoleProducer sends, bin/kafka-console-consumer.sh prints" java_produce

wrong() {
  bin/kafka-topics.sh --create --bootstrap-server localhost:9092 --partitions 1 --replication-factor 1 --topic test >"$WORK/o" 2>&1 && { echo "exit 0"; return 1; }
  grep -qi 'exist' "$WORK/o" || { cat "$WORK/o"; return 1; }
  bin/kafka-topics.sh --describe --bootstrap-server localhost:9092 --topic missing >"$WORK/o" 2>&1 && { echo "exit 0"; return 1; }
  bin/kafka-topics.sh --nonsense >"$WORK/o" 2>&1 && { echo "exit 0"; return 1; }
  return 0
}
check "wrong uses of bin/kafka-topics.sh end with a message and a code" wrong

delete() {
  bin/kafka-topics.sh --delete --zookeeper localhost:2181 --topic test 2>/dev/null || return 1
  bin/kafka-topics.sh --list --bootstrap-server localhost:9092 >"$WORK/o" || return 1
  ! grep -qx test "$WORK/o"
}
check "bin/kafka-topics.sh --delete" delete

stop() {
  bin/kafka-server-stop.sh || return 1
  for _ in $(seq 100); do
    kill -0 "$SERVER" 2>/dev/null || break
    sleep 0.1
  done
  wait "$SERVER"
  local code=$?
  SERVER=
  [ $code = 0 ] || { echo "the server ended with code $code"; return 1; }
}
check "bin/kafka-server-stop.sh ends it with code 0" stop

finish
