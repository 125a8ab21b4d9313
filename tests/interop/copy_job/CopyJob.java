import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.errors.ProducerFencedException;

/**
 * A copy job as Kafka's documentation tells people to write it: what ../copy_job.py starts and kills.
 * Arguments: bootstrap, group, input, output, transactional id.
 */
public final class CopyJob {
    public static void main(String[] args) {
        Properties common = new Properties();
        common.put("bootstrap.servers", args[0]);
        common.put("reconnect.backoff.max.ms", "200");
        Properties forConsumer = new Properties();
        forConsumer.putAll(common);
        forConsumer.put("group.id", args[1]);
        forConsumer.put("group.instance.id", args[4]);
        forConsumer.put("enable.auto.commit", "false");
        forConsumer.put("auto.offset.reset", "earliest");
        forConsumer.put("isolation.level", "read_committed");
        forConsumer.put("max.poll.records", "200");
        forConsumer.put("fetch.max.wait.ms", "200");
        forConsumer.put("key.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer");
        forConsumer.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        Properties forProducer = new Properties();
        forProducer.putAll(common);
        forProducer.put("transactional.id", args[4]);
        forProducer.put("transaction.timeout.ms", "30000");
        forProducer.put("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        forProducer.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        try (KafkaConsumer<byte[], String> consumer = new KafkaConsumer<>(forConsumer);
             KafkaProducer<byte[], String> producer = new KafkaProducer<>(forProducer)) {
            producer.initTransactions();
            consumer.subscribe(List.of(args[2]));
            while (true) {
                ConsumerRecords<byte[], String> records = consumer.poll(Duration.ofMillis(200));
                if (records.isEmpty()) continue;
                try {
                    producer.beginTransaction();
                    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                    for (ConsumerRecord<byte[], String> record : records) {
                        String copied = new StringBuilder(record.value()).reverse().toString();
                        producer.send(new ProducerRecord<>(args[3], record.partition(), null, copied));
                        offsets.put(
                            new TopicPartition(record.topic(), record.partition()),
                            new OffsetAndMetadata(record.offset() + 1));
                    }
                    producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                    producer.commitTransaction();
                    System.out.println("committed");
                } catch (ProducerFencedException | OutOfOrderSequenceException | AuthorizationException fatal) {
                    throw fatal;
                } catch (KafkaException abortable) {
                    System.err.println("aborted: " + abortable);
                    producer.abortTransaction();
                    rewind(consumer);
                }
            }
        }
    }

    /** Back to what was committed last, so that what was aborted is read again. */
    private static void rewind(KafkaConsumer<byte[], String> consumer) {
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(consumer.assignment());
        for (TopicPartition partition : consumer.assignment()) {
            OffsetAndMetadata offset = committed.get(partition);
            if (offset == null) consumer.seekToBeginning(List.of(partition));
            else consumer.seek(partition, offset.offset());
        }
    }
}
