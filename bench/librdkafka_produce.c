/*
 * Produces records with librdkafka: what `deno task bench` measures with. As fast as it can, then it prints MB/s; or so many a
 * second, one at a time, then it prints the median and the 99th percentile of the time from produce() to the delivery report, in
 * milliseconds, the first second left out. The library alone is needed, not its header: the few prototypes are here.
 *
 * produce BROKERS TOPIC PARTITIONS RECORDS BYTES_PER_RECORD RECORDS_PER_BATCH IN_FLIGHT IDEMPOTENT(0|1) COMPRESSION [RATE]
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
  void *key;
  size_t key_len;
  long long offset;
  void *opaque;
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
/* Of each record: when it was produced, then how long it took; seconds. */
static double *times = NULL;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
  (void)rk;
  (void)opaque;
  done++;
  if (message->err) failed++;
  double *time = message->opaque;
  if (time) *time = now() - *time;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Produces record after record at its time; serves delivery reports meanwhile. */
static void produce_at_rate(rd_kafka_t *rk, rd_kafka_topic_t *topic, char *payload, long bytes, long records, long rate) {
  double begun = now();
  for (long i = 0; i < records; i++) {
    while (now() < begun + (double)i / rate) rd_kafka_poll(rk, 1);
    times[i] = now();
    rd_kafka_produce(topic, 0, 2, payload, bytes, NULL, 0, &times[i]);
  }
}

int main(int argc, char **argv) {
  if (argc != 10 && argc != 11) return 2;
  long rate = argc == 11 ? atol(argv[10]) : 0;
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
  if (rate > 0) {
    times = calloc(records, sizeof *times);
    produce_at_rate(rk, topic, payload, bytes, records, rate);
  }
  double begun = now();
  for (long i = 0; i < records && rate == 0; i++) {
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
  if (rate > 0) {
    if (records <= rate) return 2;
    long count = records - rate;
    qsort(times + rate, count, sizeof *times, ascending);
    printf("%.3f %.3f\n", times[rate + count / 2] * 1e3, times[rate + count * 99 / 100] * 1e3);
    return 0;
  }
  printf("%.1f\n", records * bytes / 1e6 / seconds);
  return 0;
}
