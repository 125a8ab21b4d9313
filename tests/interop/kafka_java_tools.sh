#!/usr/bin/env bash
# Apache Kafka 4.3.1's command-line tools and the drivers of its own system tests: 34 checks, which also pass against
# Apache Kafka itself (BOOTSTRAP), and one of what they logged.
. "$(dirname "$0")/checks.sh"

: "${LIBS:?set LIBS to the folder of the jars}" "${LOGGING:?set LOGGING to the folder of the logger}"
n=5000
topic=jt-$RANDOM$RANDOM
out=$topic-out
group=$topic-g
bs=(--bootstrap-server "$BOOTSTRAP")
t=org.apache.kafka.tools
# Warnings are kept: a client that is answered with what it did not expect says so there.
classpath=$(find "$LIBS" "$LOGGING" -name '*.jar' ! -name 'slf4j-nop*' | sort | paste -sd:)
k() {
  timeout 90 java -Xmx256m -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$classpath" "$@"
}
# says NAME PATTERN COMMAND…: the command exits with 0, and a line of what it prints matches the pattern if there is one.
says() {
  local name=$1 pattern=$2
  shift 2
  matching() {
    "$@" >"$WORK/said" 2>&1 || { cat "$WORK/said"; return 1; }
    grep -E '^\[.*\] (WARN|ERROR) ' "$WORK/said" | sed "s/^/$name: /" >>"$WORK/warnings"
    [ -z "$pattern" ] || grep -qE -- "$pattern" "$WORK/said" || { echo "no line matches $pattern:"; cat "$WORK/said"; return 1; }
  }
  check "$name" matching "$@"
}
: >"$WORK/warnings"
printf '{"partitions":[{"topic":"%s","partition":0,"offset":100}],"version":1}' "$topic-1" >"$WORK/delete.json"

says api-versions 'Produce\(0\)' k $t.BrokerApiVersionsCommand "${bs[@]}"
says cluster-id 'Cluster ID: .' k $t.ClusterTool cluster-id "${bs[@]}"
says create 'Created topic' k $t.TopicCommand "${bs[@]}" --create --topic "$topic" --partitions 3 --replication-factor 1
says create-out 'Created topic' k $t.TopicCommand "${bs[@]}" --create --topic "$out" --partitions 1 --replication-factor 1
says create-single 'Created topic' k $t.TopicCommand "${bs[@]}" --create --topic "$topic-1" --partitions 1 --replication-factor 1
says describe 'PartitionCount: 3' k $t.TopicCommand "${bs[@]}" --describe --topic "$topic"
says list "$topic" k $t.TopicCommand "${bs[@]}" --list
k $t.TopicCommand "${bs[@]}" --delete --if-exists --topic newtopic >"$WORK/said" 2>&1 # the next check creates it
says client-compatibility '' k $t.ClientCompatibilityTest "${bs[@]}" --num-cluster-nodes 1 --topic "$topic" \
  --create-topics-supported True --offsets-for-times-supported True --cluster-id-supported True \
  --expect-record-too-large-exception False --describe-acls-supported True --describe-configs-supported True \
  --idempotent-producer-supported True
says verifiable-producer "\"acked\":$n" k $t.VerifiableProducer "${bs[@]}" --topic "$topic-1" --max-messages $n --acks -1
says end-offsets ":0:$n" k $t.GetOffsetShell "${bs[@]}" --topic "$topic-1"
verifiable=("${bs[@]}" --topic "$topic-1" --max-messages $n --reset-policy earliest)
says verifiable-consumer-classic offsets_committed k $t.VerifiableConsumer "${verifiable[@]}" --group-id "$group-c" --group-protocol classic
says verifiable-consumer-kip848 offsets_committed k $t.VerifiableConsumer "${verifiable[@]}" --group-id "$group-n" --group-protocol consumer
groups=$t.consumer.group.ConsumerGroupCommand
says group-describe "$topic-1 +0 +$n +$n +0" k $groups "${bs[@]}" --describe --group "$group-c"
says group-reset "$topic-1 +0 +0" k $groups "${bs[@]}" --group "$group-c" --reset-offsets --to-earliest --topic "$topic-1" --execute
says group-list "$group-n" k $groups "${bs[@]}" --list
says group-delete successful k $groups "${bs[@]}" --delete --group "$group-c"
says transactional-copier "ShutdownComplete.*totalProcessed\":$n" k $t.TransactionalMessageCopier --broker-list "$BOOTSTRAP" \
  --input-topic "$topic-1" --input-partition 0 --output-topic "$out" --max-messages $n --consumer-group "$group-x" \
  --transaction-size 250 --transactional-id "$group-t" --enable-random-aborts --group-mode
says read-committed-exact "Processed a total of $n messages" k $t.consumer.ConsoleConsumer "${bs[@]}" --topic "$out" \
  --from-beginning --isolation-level read_committed --timeout-ms 10000
says transactions-list "$group-t" k $t.TransactionsCommand "${bs[@]}" list
for codec in none gzip snappy lz4 zstd; do
  says "producer-perf-$codec" '20000 records sent' k $t.ProducerPerformance --topic "$topic" --num-records 20000 \
    --record-size 200 --throughput -1 --producer-props "bootstrap.servers=$BOOTSTRAP" "compression.type=$codec" enable.idempotence=true
done
says consumer-perf ', 10[0-9]{4}, ' k $t.ConsumerPerformance "${bs[@]}" --topic "$topic" --messages 100000 --group "$group-p"
says end-to-end-latency Percentiles k $t.EndToEndLatency "$BOOTSTRAP" "$topic" 200 all 100
says topic-config-alter Completed k kafka.admin.ConfigCommand "${bs[@]}" --alter --entity-type topics --entity-name "$topic" --add-config retention.ms=3600000
says topic-config-describe retention.ms=3600000 k kafka.admin.ConfigCommand "${bs[@]}" --describe --entity-type topics --entity-name "$topic"
says partitions-alter '' k $t.TopicCommand "${bs[@]}" --alter --topic "$topic" --partitions 5
says partitions-after 'PartitionCount: 5' k $t.TopicCommand "${bs[@]}" --describe --topic "$topic"
says delete-records 'low_watermark: 100' k $t.DeleteRecordsCommand "${bs[@]}" --offset-json-file "$WORK/delete.json"
says earliest-offset ':0:100' k $t.GetOffsetShell "${bs[@]}" --topic "$topic-1" --time -2
says log-dirs '"logDirs"' k $t.LogDirsCommand "${bs[@]}" --describe --topic-list "$topic"
says delete-topic '' k $t.TopicCommand "${bs[@]}" --delete --topic "$topic"

cp "$WORK/warnings" "${CACHE:-$TMPDIR}/kafka_java_tools.warnings"
no_warnings() { ! grep -E '^(verifiable|producer-perf|consumer-perf)' "$WORK/warnings"; }
check "VerifiableProducer and -Consumer, ProducerPerformance and ConsumerPerformance logged no warning" no_warnings

finish
