import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/** Apache Kafka's own client as a program of the contract in ../CONTRACT.md: one JSON request a line, one answer a line. */
public final class Contract {
    private static final String BOOTSTRAP = System.getenv("BOOTSTRAP");
    private static final Duration DEADLINE = Duration.ofSeconds(40);
    private static final ObjectMapper JSON = new ObjectMapper();
    /** Whatever the locale says. */
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    private static Admin admin;
    private static Member member;

    public static void main(String[] args) throws Exception {
        admin = Admin.create(Map.of("bootstrap.servers", BOOTSTRAP));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            ObjectNode answer = JSON.createObjectNode();
            try {
                answer.set("ok", JSON.valueToTree(run(JSON.readTree(line))));
            } catch (Exception error) {
                Throwable cause = error instanceof ExecutionException ? error.getCause() : error;
                Errors known = Errors.forException(cause);
                ObjectNode failure = answer.putObject("error");
                if (known != Errors.UNKNOWN_SERVER_ERROR) failure.put("code", known.code());
                else failure.putNull("code");
                failure.put("message", cause.getClass().getSimpleName() + ": " + cause.getMessage());
            }
            OUT.println(JSON.writeValueAsString(answer));
            OUT.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static Object run(JsonNode request) throws Exception {
        String topic = request.path("topic").asText();
        switch (request.get("op").asText()) {
            case "hello":
                return Map.of("client", "kafka-clients", "version", AppInfoParser.getVersion(), "lacks", List.of());
            case "metadata":
                return metadata(topic);
            case "createTopic":
                Map<String, String> configs = new HashMap<>();
                request.path("configs").fields().forEachRemaining(each -> configs.put(each.getKey(), each.getValue().asText()));
                NewTopic fresh = new NewTopic(topic, request.get("partitions").asInt(), (short) 1).configs(configs);
                admin.createTopics(List.of(fresh)).all().get();
                return null;
            case "listTopics":
                return admin.listTopics().names().get();
            case "describeConfig":
                return admin.describeConfigs(List.of(resource(topic))).all().get().get(resource(topic))
                    .get(request.get("key").asText()).value();
            case "alterConfig":
                ConfigEntry entry = new ConfigEntry(request.get("key").asText(), request.get("value").asText());
                admin.incrementalAlterConfigs(
                    Map.of(resource(topic), List.of(new AlterConfigOp(entry, AlterConfigOp.OpType.SET)))).all().get();
                return null;
            case "createPartitions":
                admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(request.get("count").asInt()))).all().get();
                return null;
            case "deleteTopic":
                admin.deleteTopics(List.of(topic)).all().get();
                return null;
            case "produce":
                produce(topic, request);
                return null;
            case "read":
                return read(topic, request);
            case "seek":
                return seek(topic, request);
            case "offsets":
                return offsets(topic, request);
            case "join":
                member = new Member(topic, request.get("group").asText(), request.get("protocol").asText());
                member.start();
                return null;
            case "take":
                return member.take();
            case "leave":
                member.leaving = true;
                member.join(DEADLINE.toMillis());
                if (member.isAlive()) throw new IllegalStateException("the member did not leave in time");
                return member.take();
            default:
                throw new IllegalArgumentException("unknown operation " + request);
        }
    }

    private static ConfigResource resource(String topic) {
        return new ConfigResource(ConfigResource.Type.TOPIC, topic);
    }

    private static Object metadata(String topic) throws Exception {
        List<Integer> brokers = new ArrayList<>();
        for (Node node : admin.describeCluster().nodes().get()) brokers.add(node.id());
        List<Object> partitions = new ArrayList<>();
        for (TopicPartitionInfo each : admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions()) {
            partitions.add(Map.of("id", each.partition(), "leader", each.leader().id()));
        }
        return Map.of("brokers", brokers, "partitions", partitions);
    }

    private static byte[] bytes(JsonNode node) {
        return node == null || node.isNull() ? null : Base64.getDecoder().decode(node.asText());
    }

    private static void produce(String topic, JsonNode request) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", BOOTSTRAP);
        settings.put("compression.type", request.get("codec").asText());
        settings.put("max.request.size", 8_000_000);
        settings.put("linger.ms", 5);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer =
                 new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (JsonNode each : request.get("records")) {
                List<Header> headers = new ArrayList<>();
                each.path("h").forEach(h -> headers.add(new RecordHeader(h.get(0).asText(), bytes(h.get(1)))));
                sent.add(producer.send(new ProducerRecord<>(
                    topic, each.get("p").asInt(), each.get("t").asLong(), bytes(each.get("k")), bytes(each.get("v")), headers)));
            }
            for (Future<RecordMetadata> each : sent) each.get(30, TimeUnit.SECONDS);
        }
    }

    private static KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(more);
        settings.put("bootstrap.servers", BOOTSTRAP);
        settings.put("enable.auto.commit", false);
        settings.put("max.partition.fetch.bytes", 4_000_000);
        // Where a record is gone, an error says so; from the end on one would wait in vain. A member starts elsewhere.
        settings.putIfAbsent("auto.offset.reset", "none");
        settings.put("fetch.max.wait.ms", 200);
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static String pack(byte[] value) {
        return value == null ? null : Base64.getEncoder().encodeToString(value);
    }

    private static ObjectNode packed(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode packed = JSON.createObjectNode();
        packed.put("p", record.partition()).put("o", record.offset()).put("k", pack(record.key()));
        packed.put("v", pack(record.value())).put("t", record.timestamp());
        ArrayNode headers = packed.putArray("h");
        for (Header each : record.headers()) headers.addArray().add(each.key()).add(pack(each.value()));
        return packed;
    }

    /** Polls until `count` records are there. */
    private static List<ObjectNode> poll(KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<ObjectNode> got = new ArrayList<>();
        long end = System.nanoTime() + DEADLINE.toNanos();
        while (got.size() < count) {
            if (System.nanoTime() > end) throw new IllegalStateException("read " + got.size() + " records");
            for (ConsumerRecord<byte[], byte[]> each : consumer.poll(Duration.ofMillis(200))) got.add(packed(each));
        }
        return got;
    }

    private static Object read(String topic, JsonNode request) {
        TopicPartition partition = new TopicPartition(topic, request.get("partition").asInt());
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, request.get("from").asLong());
            return poll(consumer, request.get("count").asInt());
        }
    }

    private static Object seek(String topic, JsonNode request) {
        TopicPartition partition = new TopicPartition(topic, request.get("partition").asInt());
        List<ObjectNode> got = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("max.poll.records", 1))) {
            consumer.assign(List.of(partition));
            for (JsonNode offset : request.get("offsets")) {
                consumer.seek(partition, offset.asLong());
                got.addAll(poll(consumer, 1));
            }
        }
        return got;
    }

    private static Object offsets(String topic, JsonNode request) {
        TopicPartition partition = new TopicPartition(topic, request.get("partition").asInt());
        List<Long> answer = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            for (JsonNode each : request.get("times")) {
                long time = each.asLong();
                if (time == -1) answer.add(consumer.endOffsets(List.of(partition)).get(partition));
                else if (time == -2) answer.add(consumer.beginningOffsets(List.of(partition)).get(partition));
                else {
                    OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, time)).get(partition);
                    answer.add(Optional.ofNullable(found).map(OffsetAndTimestamp::offset).orElse(-1L));
                }
            }
        }
        return answer;
    }

    /** A member of a group; it commits what it took before it gives a partition up. */
    private static final class Member extends Thread implements ConsumerRebalanceListener {
        volatile boolean leaving;
        private volatile Exception failure;
        private final KafkaConsumer<byte[], byte[]> consumer;
        private final String topic;
        private final List<List<Long>> taken = Collections.synchronizedList(new ArrayList<>());
        private final Set<Integer> assigned = Collections.synchronizedSet(new TreeSet<>());

        Member(String topic, String group, String protocol) {
            this.topic = topic;
            Map<String, Object> settings = new HashMap<>();
            settings.put("group.id", group);
            settings.put("auto.offset.reset", "earliest");
            settings.put("group.protocol", protocol);
            if (protocol.equals("classic")) {
                settings.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor");
                settings.put("heartbeat.interval.ms", 500);
                settings.put("session.timeout.ms", 30_000);
            }
            consumer = consumer(settings);
            setDaemon(true);
        }

        @Override
        public void run() {
            try (KafkaConsumer<byte[], byte[]> closing = consumer) {
                consumer.subscribe(List.of(topic), this);
                while (!leaving) {
                    ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
                    for (ConsumerRecord<byte[], byte[]> each : records) {
                        taken.add(List.of((long) each.partition(), each.offset()));
                    }
                }
                consumer.commitSync();
            } catch (Exception error) {
                failure = error;
            }
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            consumer.commitSync();
            partitions.forEach(each -> assigned.remove(each.partition()));
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            partitions.forEach(each -> assigned.add(each.partition()));
        }

        Object take() throws Exception {
            if (failure != null) throw failure;
            synchronized (taken) {
                List<List<Long>> now = new ArrayList<>(taken);
                taken.clear();
                return Map.of("records", now, "assigned", List.copyOf(assigned));
            }
        }
    }
}
