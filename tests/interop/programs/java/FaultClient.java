import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Apache Kafka's client as a process of the suite faults.py: writes what it did as lines of a history (sim/README.md).
 *
 * FaultClient produce BOOTSTRAP TOPIC PARTITIONS PROCESS   until standard input ends
 * FaultClient consume BOOTSTRAP TOPIC PARTITIONS PROCESS   follows the log until standard input ends
 */
public final class FaultClient {
    private static final int IN_FLIGHT = 500;
    private static final PrintStream OUT = new PrintStream(System.out, false);
    private static volatile boolean ended = false;

    public static void main(String[] args) throws Exception {
        Thread input = new Thread(() -> {
            try {
                while (System.in.read() >= 0) { }
            } catch (java.io.IOException e) {
                // as good as its end
            }
            ended = true;
        });
        input.setDaemon(true);
        input.start();
        int partitions = Integer.parseInt(args[3]);
        int process = Integer.parseInt(args[4]);
        if (args[0].equals("produce")) produce(args[1], args[2], partitions, process);
        else consume(args[1], args[2], partitions, process);
        OUT.flush();
    }

    private static double nowMs() {
        return System.nanoTime() / 1e6;
    }

    private static synchronized void line(String text) {
        OUT.println(text);
        OUT.flush();
    }

    private static void produce(String bootstrap, String topic, int partitions, int process) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "acks", "all", "enable.idempotence", true,
            "linger.ms", 2, "batch.size", 100_000, "delivery.timeout.ms", 120_000, "reconnect.backoff.max.ms", 200);
        Semaphore room = new Semaphore(IN_FLIGHT);
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (long number = 0; !ended; number++) {
                room.acquire();
                long value = process * 1_000_000_000L + number;
                int partition = (int) (number / 50 % partitions);
                // Some batches are large enough for a segment file, some lie in the store itself.
                ByteBuffer bytes = ByteBuffer.allocate(number / 500 % 2 == 0 ? 8 : 2_000).putLong(value);
                double invoked = nowMs();
                producer.send(new ProducerRecord<>(topic, partition, null, bytes.array()), (where, error) -> {
                    room.release();
                    String type = error == null ? "ok" : "info";
                    String offset = error == null ? String.valueOf(where.offset()) : "null";
                    line("{\"type\":\"" + type + "\",\"process\":" + process + ",\"invokeMs\":" + invoked + ",\"completeMs\":"
                        + nowMs() + ",\"micro\":[[\"send\",\"" + topic + "/" + partition + "\"," + value + "," + offset + "]]}");
                });
                if (number % 10 == 9) Thread.sleep(20);
            }
        }
    }

    private static void consume(String bootstrap, String topic, int partitions, int process) {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "reconnect.backoff.max.ms", 200,
            "default.api.timeout.ms", 120_000, "auto.offset.reset", "none");
        List<TopicPartition> all =
            java.util.stream.IntStream.range(0, partitions).mapToObj(i -> new TopicPartition(topic, i)).toList();
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            double assigned = nowMs();
            consumer.assign(all);
            for (TopicPartition each : all) consumer.seek(each, 0);
            String names = String.join(",", all.stream().map(each -> "\"" + topic + "/" + each.partition() + "\"").toList());
            line("{\"kind\":\"assign\",\"type\":\"ok\",\"process\":" + process + ",\"invokeMs\":" + assigned
                + ",\"completeMs\":" + nowMs() + ",\"to\":[" + names + "]}");
            while (!ended) {
                double invoked = nowMs();
                var records = consumer.poll(Duration.ofMillis(200));
                double completed = nowMs();
                if (records.isEmpty()) continue;
                StringBuilder polled = new StringBuilder();
                for (TopicPartition each : records.partitions()) {
                    polled.append(polled.length() == 0 ? "" : ",").append("\"" + topic + "/" + each.partition() + "\":[");
                    boolean first = true;
                    for (ConsumerRecord<byte[], byte[]> record : records.records(each)) {
                        polled.append(first ? "" : ",").append("[" + record.offset() + ","
                            + ByteBuffer.wrap(record.value()).getLong() + "]");
                        first = false;
                    }
                    polled.append("]");
                }
                line("{\"type\":\"ok\",\"process\":" + process + ",\"invokeMs\":" + invoked + ",\"completeMs\":" + completed
                    + ",\"micro\":[[\"poll\",{" + polled + "}]]}");
            }
        }
    }
}
