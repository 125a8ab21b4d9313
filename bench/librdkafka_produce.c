/*
 * Produces records with librdkafka as fast as it can, and prints MB/s: what `deno task bench` measures with. The library
 * alone is needed, not its header: the few prototypes are here.
 *
 * produce BROKERS TOPIC PARTITIONS RECORDS BYTES_PER_RECORD RECORDS_PER_BATCH IN_FLIGHT IDEMPOTENT(0|1) COMPRESSION
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_message_s {
  int err;
  rd_kafka_topic_t *rkt;
  int partition;
  void *payload;
  size_t len;
} rd_kafka_message_t;

rd_kafka_conf_t *rd_kafka_conf_new(void);
int rd_kafka_conf_set(rd_kafka_conf_t *, const char *, const char *, char *, size_t);
void rd_kafka_conf_set_dr_msg_cb(rd_kafka_conf_t *, void (*)(rd_kafka_t *, const rd_kafka_message_t *, void *));
rd_kafka_t *rd_kafka_new(int type, rd_kafka_conf_t *, char *, size_t);
rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *, const char *, void *);
int rd_kafka_produce(rd_kafka_topic_t *, int, int, void *, size_t, const void *, size_t, void *);
int rd_kafka_poll(rd_kafka_t *, int);
int rd_kafka_flush(rd_kafka_t *, int);

static long failed = 0;
static long done = 0;

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
  (void)rk;
  (void)opaque;
  done++;
  if (message->err) failed++;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 10) return 2;
  long records = atol(argv[4]), bytes = atol(argv[5]), per_batch = atol(argv[6]);
  int partitions = atoi(argv[3]);
  char error[512], batch_bytes[32];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  snprintf(batch_bytes, sizeof batch_bytes, "%ld", per_batch * (bytes + 20) + 100);
  const char *settings[][2] = {
      {"bootstrap.servers", argv[1]}, {"acks", "all"},
      {"enable.idempotence", argv[8][0] == '1' ? "true" : "false"},
      {"batch.size", batch_bytes}, {"batch.num.messages", argv[6]},
      {"linger.ms", per_batch > 1 ? "5" : "0"}, {"max.in.flight", argv[7]},
      {"compression.type", argv[9]},
      {"queue.buffering.max.messages", "200000"}, {"queue.buffering.max.kbytes", "131072"},
  };
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], error, sizeof error)) {
      fprintf(stderr, "%s\n", error);
      return 1;
    }
  }
  rd_kafka_conf_set_dr_msg_cb(conf, delivered);
  rd_kafka_t *rk = rd_kafka_new(0, conf, error, sizeof error);
  if (!rk) return 1;
  rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, argv[2], NULL);
  char *payload = malloc(bytes);
  srand(1);
  for (long i = 0; i < bytes; i++) payload[i] = rand();
  double begun = now();
  for (long i = 0; i < records; i++) {
    while (rd_kafka_produce(topic, (i / per_batch) % partitions, 2, payload, bytes, NULL, 0, NULL) == -1) {
      rd_kafka_poll(rk, 5);
    }
    if (i % 256 == 0) rd_kafka_poll(rk, 0);
  }
  rd_kafka_flush(rk, 120000);
  double seconds = now() - begun;
  if (done != records || failed) {
    fprintf(stderr, "%ld of %ld delivered, %ld failed\n", done, records, failed);
    return 1;
  }
  printf("%.1f\n", records * bytes / 1e6 / seconds);
  return 0;
}
