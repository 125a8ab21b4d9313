// segmentio/kafka-go as a program of the contract in ../../CONTRACT.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"kavka/interop/ops"

	"github.com/segmentio/kafka-go"
)

// The transport would keep what it knows of topics for six seconds.
var client = &kafka.Client{
	Addr: kafka.TCP(ops.Bootstrap), Timeout: 20 * time.Second,
	Transport: &kafka.Transport{MetadataTTL: 50 * time.Millisecond},
}

func deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), ops.Deadline)
}

func metadata(r ops.Request) (answer ops.Metadata, err error) {
	ctx, cancel := deadline()
	defer cancel()
	found, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{r.Topic}})
	if err != nil {
		return answer, err
	}
	if err := found.Topics[0].Error; err != nil {
		return answer, err
	}
	for _, each := range found.Brokers {
		answer.Brokers = append(answer.Brokers, int32(each.ID))
	}
	for _, each := range found.Topics[0].Partitions {
		answer.Partitions = append(answer.Partitions, ops.Partition{ID: int32(each.ID), Leader: int32(each.Leader.ID)})
	}
	return answer, nil
}

func createTopic(r ops.Request) error {
	ctx, cancel := deadline()
	defer cancel()
	topic := kafka.TopicConfig{Topic: r.Topic, NumPartitions: int(r.Partitions), ReplicationFactor: 1}
	for name, value := range r.Configs {
		topic.ConfigEntries = append(topic.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	found, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{topic}})
	if err != nil {
		return err
	}
	return found.Errors[r.Topic]
}

func listTopics() (names []string, err error) {
	ctx, cancel := deadline()
	defer cancel()
	found, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	for _, each := range found.Topics {
		names = append(names, each.Name)
	}
	return names, nil
}

func describeConfig(r ops.Request) (string, error) {
	ctx, cancel := deadline()
	defer cancel()
	found, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: r.Topic, ConfigNames: []string{r.Key}},
	}})
	if err != nil {
		return "", err
	}
	if err := found.Resources[0].Error; err != nil {
		return "", err
	}
	for _, each := range found.Resources[0].ConfigEntries {
		if each.ConfigName == r.Key {
			return each.ConfigValue, nil
		}
	}
	return "", fmt.Errorf("no setting %q", r.Key)
}

func alterConfig(r ops.Request) error {
	ctx, cancel := deadline()
	defer cancel()
	found, err := client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: r.Topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{
				{Name: r.Key, Value: r.Value, ConfigOperation: kafka.ConfigOperationSet},
			},
		}},
	})
	if err != nil {
		return err
	}
	return found.Resources[0].Error
}

func createPartitions(r ops.Request) error {
	ctx, cancel := deadline()
	defer cancel()
	found, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: r.Topic, Count: int32(r.Count)}},
	})
	if err != nil {
		return err
	}
	return found.Errors[r.Topic]
}

func deleteTopic(r ops.Request) error {
	ctx, cancel := deadline()
	defer cancel()
	found, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{r.Topic}})
	if err != nil {
		return err
	}
	return found.Errors[r.Topic]
}

// reading gives the records once: a request that is sent again needs them anew.
func reading(records []ops.Record) kafka.RecordReader {
	list := make([]kafka.Record, len(records))
	for i, each := range records {
		list[i] = kafka.Record{Time: time.UnixMilli(each.T), Key: kafka.NewBytes(each.K), Value: kafka.NewBytes(each.V)}
		for _, h := range each.H {
			list[i].Headers = append(list[i].Headers, kafka.Header{Key: h.Name, Value: h.Value})
		}
	}
	return kafka.NewRecordReader(list...)
}

// produce sends one request for each partition: the client's Writer hides in which partition a record lands.
func produce(r ops.Request) error {
	codec := map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}[r.Codec]
	byPartition := map[int32][]ops.Record{}
	for _, each := range r.Records {
		byPartition[each.P] = append(byPartition[each.P], each)
	}
	ctx, cancel := deadline()
	defer cancel()
	for partition, records := range byPartition {
		send := func() error {
			found, err := client.Produce(ctx, &kafka.ProduceRequest{
				Topic: r.Topic, Partition: int(partition), RequiredAcks: kafka.RequireAll,
				Compression: codec, Records: reading(records),
			})
			if err != nil {
				return err
			}
			return found.Error
		}
		err := send()
		// A topic that was just created may not have its leader yet.
		for known := kafka.Error(0); errors.As(err, &known) && known.Temporary() && ctx.Err() == nil; err = send() {
			time.Sleep(50 * time.Millisecond)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func reader(r ops.Request) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{ops.Bootstrap}, Topic: r.Topic, Partition: int(r.Partition),
		MaxWait: 200 * time.Millisecond, MaxBytes: 4_000_000, ReadBatchTimeout: 5 * time.Second,
	})
}

// readAt reads `count` records from one offset.
func readAt(from *kafka.Reader, offset int64, count int) ([]ops.Record, error) {
	ctx, cancel := deadline()
	defer cancel()
	if err := from.SetOffset(offset); err != nil {
		return nil, err
	}
	got := []ops.Record{}
	for len(got) < count {
		m, err := from.ReadMessage(ctx)
		if err != nil {
			return nil, err
		}
		record := ops.Record{P: int32(m.Partition), O: m.Offset, K: m.Key, V: m.Value, T: m.Time.UnixMilli(), H: []ops.Header{}}
		for _, h := range m.Headers {
			record.H = append(record.H, ops.Header{Name: h.Key, Value: h.Value})
		}
		got = append(got, record)
	}
	return got, nil
}

func read(r ops.Request) ([]ops.Record, error) {
	from := reader(r)
	defer from.Close()
	return readAt(from, r.From, r.Count)
}

func seek(r ops.Request) (got []ops.Record, err error) {
	from := reader(r)
	defer from.Close()
	for _, offset := range r.Offsets {
		found, err := readAt(from, offset, 1)
		if err != nil {
			return nil, err
		}
		got = append(got, found...)
	}
	return got, nil
}

func offsets(r ops.Request) (answer []int64, err error) {
	ctx, cancel := deadline()
	defer cancel()
	for _, each := range r.Times {
		request := kafka.OffsetRequest{Partition: int(r.Partition), Timestamp: each}
		found, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{r.Topic: {request}}})
		if err != nil {
			return nil, err
		}
		partition := found.Topics[r.Topic][0]
		if partition.Error != nil {
			return nil, partition.Error
		}
		switch each {
		case -1:
			answer = append(answer, partition.LastOffset)
		case -2:
			answer = append(answer, partition.FirstOffset)
		default:
			offset := int64(-1)
			for found := range partition.Offsets {
				offset = found
			}
			answer = append(answer, offset)
		}
	}
	return answer, nil
}

// join commits every record as it is taken.
func join(r ops.Request, m *ops.Member, leaving <-chan struct{}) error {
	consumer := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{ops.Bootstrap}, GroupID: r.Group, Topic: r.Topic, StartOffset: kafka.FirstOffset,
		GroupBalancers: []kafka.GroupBalancer{kafka.RangeGroupBalancer{}}, MaxWait: 200 * time.Millisecond,
		HeartbeatInterval: 500 * time.Millisecond, SessionTimeout: 30 * time.Second, RebalanceTimeout: 40 * time.Second,
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-leaving
		cancel()
	}()
	for {
		message, err := consumer.FetchMessage(ctx)
		if err != nil {
			closed := consumer.Close()
			if errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) {
				return closed
			}
			return err
		}
		m.Take(int32(message.Partition), message.Offset)
		if err := consumer.CommitMessages(context.Background(), message); err != nil {
			consumer.Close()
			return err
		}
	}
}

func code(err error) (int, bool) {
	var known kafka.Error
	if errors.As(err, &known) {
		return int(known), true
	}
	return 0, false
}

func main() {
	ops.Serve(ops.Operations{
		Client: "segmentio/kafka-go", Module: "github.com/segmentio/kafka-go",
		// This client does not tell which partitions a member was given, and reads an empty value as none.
		Lacks:    []string{"group consumer", "assignment", "empty value"},
		Metadata: metadata, CreateTopic: createTopic, ListTopics: listTopics, DescribeConfig: describeConfig,
		AlterConfig: alterConfig, CreatePartitions: createPartitions, DeleteTopic: deleteTopic,
		Produce: produce, Read: read, Seek: seek, Offsets: offsets, Join: join, Code: code,
	})
}
