// franz-go as a program of the contract in ../../CONTRACT.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kavka/interop/ops"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var client, _ = kgo.NewClient(kgo.SeedBrokers(ops.Bootstrap), kgo.MetadataMinAge(100*time.Millisecond))
var admin = kadm.NewClient(client)

func deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), ops.Deadline)
}

func metadata(r ops.Request) (ops.Metadata, error) {
	ctx, cancel := deadline()
	defer cancel()
	found, err := admin.Metadata(ctx, r.Topic)
	if err != nil {
		return ops.Metadata{}, err
	}
	topic := found.Topics[r.Topic]
	if topic.Err != nil {
		return ops.Metadata{}, topic.Err
	}
	answer := ops.Metadata{Brokers: found.Brokers.NodeIDs()}
	for _, each := range topic.Partitions.Sorted() {
		answer.Partitions = append(answer.Partitions, ops.Partition{ID: each.Partition, Leader: each.Leader})
	}
	return answer, nil
}

func createTopic(r ops.Request) error {
	ctx, cancel := deadline()
	defer cancel()
	configs := map[string]*string{}
	for name, value := range r.Configs {
		configs[name] = &value
	}
	_, err := admin.CreateTopic(ctx, r.Partitions, 1, configs, r.Topic)
	return err
}

func listTopics() ([]string, error) {
	ctx, cancel := deadline()
	defer cancel()
	found, err := admin.ListTopics(ctx)
	return found.Names(), err
}

func describeConfig(r ops.Request) (string, error) {
	ctx, cancel := deadline()
	defer cancel()
	found, err := admin.DescribeTopicConfigs(ctx, r.Topic)
	if err != nil {
		return "", err
	}
	for _, each := range found[0].Configs {
		if each.Key == r.Key {
			return each.MaybeValue(), nil
		}
	}
	return "", fmt.Errorf("no setting %q", r.Key)
}

func alterConfig(r ops.Request) error {
	ctx, cancel := deadline()
	defer cancel()
	found, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: r.Key, Value: &r.Value}}, r.Topic)
	if err != nil {
		return err
	}
	return found[0].Err
}

func createPartitions(r ops.Request) error {
	ctx, cancel := deadline()
	defer cancel()
	found, err := admin.UpdatePartitions(ctx, r.Count, r.Topic)
	if err != nil {
		return err
	}
	return found.Error()
}

func deleteTopic(r ops.Request) error {
	ctx, cancel := deadline()
	defer cancel()
	found, err := admin.DeleteTopics(ctx, r.Topic)
	if err != nil {
		return err
	}
	return found.Error()
}

func produce(r ops.Request) error {
	codec := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[r.Codec]
	producer, err := kgo.NewClient(
		kgo.SeedBrokers(ops.Bootstrap), kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(8_000_000), kgo.ProducerLinger(5*time.Millisecond), kgo.RecordRetries(3),
	)
	if err != nil {
		return err
	}
	defer producer.Close()
	var records []*kgo.Record
	for _, each := range r.Records {
		record := &kgo.Record{
			Topic: r.Topic, Partition: each.P, Key: each.K, Value: each.V, Timestamp: time.UnixMilli(each.T),
		}
		for _, h := range each.H {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
		records = append(records, record)
	}
	ctx, cancel := deadline()
	defer cancel()
	return producer.ProduceSync(ctx, records...).FirstErr()
}

func reader(r ops.Request, offset int64) (*kgo.Client, error) {
	return kgo.NewClient(
		kgo.SeedBrokers(ops.Bootstrap), kgo.FetchMaxWait(200*time.Millisecond), kgo.FetchMaxPartitionBytes(4_000_000),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.Topic: {r.Partition: kgo.NewOffset().At(offset)}}),
		// Where a record is gone, an error says so; elsewhere one would wait in vain.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
	)
}

// poll reads `count` records and fails with the first error.
func poll(from *kgo.Client, count int) ([]ops.Record, error) {
	ctx, cancel := deadline()
	defer cancel()
	var got []ops.Record
	for len(got) < count {
		fetches := from.PollRecords(ctx, count-len(got))
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		for _, each := range fetches.Records() {
			record := ops.Record{
				P: each.Partition, O: each.Offset, K: each.Key, V: each.Value, T: each.Timestamp.UnixMilli(), H: []ops.Header{},
			}
			for _, h := range each.Headers {
				record.H = append(record.H, ops.Header{Name: h.Key, Value: h.Value})
			}
			got = append(got, record)
		}
	}
	return got, nil
}

func read(r ops.Request) ([]ops.Record, error) {
	from, err := reader(r, r.From)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	return poll(from, r.Count)
}

func seek(r ops.Request) ([]ops.Record, error) {
	from, err := reader(r, r.Offsets[0])
	if err != nil {
		return nil, err
	}
	defer from.Close()
	var got []ops.Record
	for _, offset := range r.Offsets {
		from.SetOffsets(map[string]map[int32]kgo.EpochOffset{r.Topic: {r.Partition: {Epoch: -1, Offset: offset}}})
		found, err := poll(from, 1)
		if err != nil {
			return nil, err
		}
		got = append(got, found...)
	}
	return got, nil
}

func offsets(r ops.Request) ([]int64, error) {
	ctx, cancel := deadline()
	defer cancel()
	var answer []int64
	for _, time := range r.Times {
		var found kadm.ListedOffsets
		var err error
		switch time {
		case -1:
			found, err = admin.ListEndOffsets(ctx, r.Topic)
		case -2:
			found, err = admin.ListStartOffsets(ctx, r.Topic)
		default:
			found, err = admin.ListOffsetsAfterMilli(ctx, time, r.Topic)
		}
		if err != nil {
			return nil, err
		}
		offset, _ := found.Lookup(r.Topic, r.Partition)
		answer = append(answer, offset.Offset)
	}
	return answer, nil
}

// join commits what it took before a partition is given up: a rebalance waits while records are being noted.
func join(r ops.Request, m *ops.Member, leaving <-chan struct{}) error {
	ctx := context.Background()
	var committing sync.Mutex
	commit := func(c *kgo.Client) {
		committing.Lock()
		defer committing.Unlock()
		_ = c.CommitMarkedOffsets(ctx)
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(ops.Bootstrap), kgo.ConsumerGroup(r.Group), kgo.ConsumeTopics(r.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.Balancers(kgo.RangeBalancer()),
		kgo.HeartbeatInterval(500 * time.Millisecond), kgo.SessionTimeout(30 * time.Second),
		kgo.FetchMaxWait(200 * time.Millisecond), kgo.BlockRebalanceOnPoll(), kgo.AutoCommitMarks(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { m.Assign(p[r.Topic], true) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, c *kgo.Client, p map[string][]int32) {
			commit(c)
			m.Assign(p[r.Topic], false)
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { m.Assign(p[r.Topic], false) }),
	}
	if r.Protocol == "consumer" {
		options = append(options, kgo.ServerSideBalancer())
	}
	consumer, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	for {
		select {
		case <-leaving:
			commit(consumer)
			consumer.CloseAllowingRebalance()
			return nil
		default:
		}
		wait, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		fetches := consumer.PollRecords(wait, 500)
		cancel()
		for _, each := range fetches.Errors() {
			if !errors.Is(each.Err, context.DeadlineExceeded) {
				consumer.CloseAllowingRebalance()
				return each.Err
			}
		}
		for _, each := range fetches.Records() {
			m.Take(each.Partition, each.Offset)
			consumer.MarkCommitRecords(each)
		}
		consumer.AllowRebalance()
	}
}

func code(err error) (int, bool) {
	var known *kerr.Error
	if errors.As(err, &known) {
		return int(known.Code), true
	}
	return 0, false
}

func main() {
	ops.Serve(ops.Operations{
		Client: "franz-go", Module: "github.com/twmb/franz-go", Lacks: nil,
		Metadata: metadata, CreateTopic: createTopic, ListTopics: listTopics, DescribeConfig: describeConfig,
		AlterConfig: alterConfig, CreatePartitions: createPartitions, DeleteTopic: deleteTopic,
		Produce: produce, Read: read, Seek: seek, Offsets: offsets, Join: join, Code: code,
	})
}
