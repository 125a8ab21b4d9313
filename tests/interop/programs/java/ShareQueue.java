// What Kafka's own share consumer, console and group command make of a share group. One JVM for all of it; it says "kill" and waits
// for a line when the server is to be killed. Prints `ok NAME` or `FAIL NAME: why`. Arguments: bootstrap, topic, group.
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.tools.consumer.ConsoleShareConsumer;
import org.apache.kafka.tools.consumer.group.ShareGroupCommand;

public class ShareQueue {
    static final PrintStream OUT = System.out;
    static String bootstrap, topic, group;

    interface Body { void run() throws Exception; }

    static class Ended extends RuntimeException { }

    static void check(String name, Body body) {
        try {
            body.run();
            OUT.println("ok " + name);
        } catch (Throwable error) {
            OUT.println("FAIL " + name + ": " + String.valueOf(error).replace('\n', ' '));
        }
        OUT.flush();
    }

    static void same(Object actual, Object expected, String what) {
        if (!actual.equals(expected)) throw new AssertionError(what + ": expected " + expected + ", got " + actual);
    }

    /** What a tool prints. */
    static String tool(Body main) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        System.setOut(new PrintStream(bytes, true));
        try {
            main.run();
        } catch (Ended ended) {
            // A tool's way to end.
        } finally {
            System.out.flush();
            System.setOut(OUT);
        }
        return bytes.toString();
    }

    static String command(String... more) throws Exception {
        List<String> arguments = new ArrayList<>(List.of("--bootstrap-server", bootstrap));
        arguments.addAll(List.of(more));
        return tool(() -> ShareGroupCommand.main(arguments.toArray(String[]::new)));
    }

    static long lag() throws Exception {
        long sum = 0;
        for (String line : command("--describe", "--group", group).split("\n")) {
            String[] words = line.trim().split("\\s+");
            if (words.length >= 5 && words[0].equals(group)) sum += Long.parseLong(words[words.length - 1]);
        }
        return sum;
    }

    static KafkaShareConsumer<String, String> consumer() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", group);
        settings.put("share.acknowledgement.mode", "explicit");
        settings.put("max.poll.records", "40");
        settings.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        settings.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        KafkaShareConsumer<String, String> consumer = new KafkaShareConsumer<>(settings);
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    static void commit(KafkaShareConsumer<String, String> consumer) {
        consumer.commitSync(Duration.ofSeconds(20)).forEach((partition, error) ->
            error.ifPresent(why -> { throw why; }));
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        topic = arguments[1];
        group = arguments[2];
        int count = Integer.parseInt(arguments[3]);
        Exit.setExitProcedure((code, message) -> { throw new Ended(); });
        Set<String> seen = new HashSet<>();

        check("ConsoleShareConsumer", () -> {
            String output = tool(() -> ConsoleShareConsumer.main(new String[] {
                "--bootstrap-server", bootstrap, "--topic", topic, "--group", group, "--max-messages", "50", "--timeout-ms", "30000"}));
            for (String line : output.split("\n")) if (line.startsWith("job ")) seen.add(line.trim());
            same(seen.size(), 50, "records on the console");
        });

        OUT.println("kill");
        OUT.flush();
        new BufferedReader(new InputStreamReader(System.in)).readLine();

        try (KafkaShareConsumer<String, String> consumer = consumer()) {
            check("KafkaShareConsumer: accept, release, reject, renew", () -> {
                Map<String, Integer> released = new HashMap<>();
                Map<String, Integer> renewed = new HashMap<>();
                long end = System.currentTimeMillis() + 60_000;
                while (seen.size() < count && System.currentTimeMillis() < end) {
                    for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
                        String value = record.value();
                        if (seen.contains(value)) throw new AssertionError(value + " came again");
                        int number = Integer.parseInt(value.substring(4));
                        if (number % 10 == 0 && !released.containsKey(value)) {
                            released.put(value, (int) record.deliveryCount().get());
                            consumer.acknowledge(record, AcknowledgeType.RELEASE);
                            continue;
                        }
                        Integer before = released.get(value);
                        if (before != null) same((int) record.deliveryCount().get(), before + 1, "delivery count");
                        if (renewed.isEmpty()) {
                            // A later poll shows it again, still locked (KIP-1222).
                            renewed.put(value, (int) record.deliveryCount().get());
                            consumer.acknowledge(record, AcknowledgeType.RENEW);
                            continue;
                        }
                        if (renewed.containsKey(value)) same((int) record.deliveryCount().get(), renewed.get(value), "delivery count");
                        seen.add(value);
                        consumer.acknowledge(record, number % 10 == 5 ? AcknowledgeType.REJECT : AcknowledgeType.ACCEPT);
                    }
                    commit(consumer);
                }
                same(seen.size(), count, "records");
                same(consumer.acquisitionLockTimeoutMs().orElse(0), 30_000, "the lock");
            });

            check("ShareGroupCommand: list, describe, members, state", () -> {
                same(command("--list").trim().lines().toList(), List.of(group), "groups");
                same(lag(), 0L, "lag");
                String members = command("--describe", "--group", group, "--members");
                if (!members.contains("/127.0.0.1")) throw new AssertionError(members);
                String state = command("--describe", "--group", group, "--state");
                if (!state.contains("Stable")) throw new AssertionError(state);
            });
        }

        check("ShareGroupCommand: reset-offsets, delete-offsets, delete", () -> {
            command("--reset-offsets", "--to-earliest", "--execute", "--group", group, "--topic", topic);
            same(lag(), (long) count, "lag after the reset");
            command("--delete-offsets", "--group", group, "--topic", topic);
            String described = command("--describe", "--group", group);
            if (described.contains(topic + " ")) throw new AssertionError(described);
            command("--delete", "--group", group);
            same(command("--list").trim(), "", "groups");
        });
        Runtime.getRuntime().halt(0);
    }
}
