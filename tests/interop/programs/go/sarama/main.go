// sarama as a program of the contract in ../../CONTRACT.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kavka/interop/ops"

	"github.com/IBM/sarama"
)

var addresses = []string{ops.Bootstrap}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Metadata.Retry.Max = 3
	c.Metadata.AllowAutoTopicCreation = false
	c.Consumer.MaxWaitTime = 200 * time.Millisecond
	c.Consumer.Fetch.Default = 4_000_000
	c.Consumer.Return.Errors = true
	return c
}

// withAdmin opens an administrator for one operation.
func withAdmin(body func(sarama.ClusterAdmin) error) error {
	admin, err := sarama.NewClusterAdmin(addresses, config())
	if err != nil {
		return err
	}
	defer admin.Close()
	return body(admin)
}

func withClient(body func(sarama.Client) error) error {
	client, err := sarama.NewClient(addresses, config())
	if err != nil {
		return err
	}
	defer client.Close()
	return body(client)
}

func metadata(r ops.Request) (answer ops.Metadata, err error) {
	err = withClient(func(client sarama.Client) error {
		if err := client.RefreshMetadata(r.Topic); err != nil {
			return err
		}
		for _, each := range client.Brokers() {
			answer.Brokers = append(answer.Brokers, each.ID())
		}
		partitions, err := client.Partitions(r.Topic)
		for _, each := range partitions {
			leader, err := client.Leader(r.Topic, each)
			if err != nil {
				return err
			}
			answer.Partitions = append(answer.Partitions, ops.Partition{ID: each, Leader: leader.ID()})
		}
		return err
	})
	return answer, err
}

func createTopic(r ops.Request) error {
	detail := &sarama.TopicDetail{NumPartitions: r.Partitions, ReplicationFactor: 1, ConfigEntries: map[string]*string{}}
	for name, value := range r.Configs {
		detail.ConfigEntries[name] = &value
	}
	return withAdmin(func(admin sarama.ClusterAdmin) error { return admin.CreateTopic(r.Topic, detail, false) })
}

func listTopics() (names []string, err error) {
	err = withAdmin(func(admin sarama.ClusterAdmin) error {
		found, err := admin.ListTopics()
		for name := range found {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

func describeConfig(r ops.Request) (value string, err error) {
	err = withAdmin(func(admin sarama.ClusterAdmin) error {
		resource := sarama.ConfigResource{Type: sarama.TopicResource, Name: r.Topic, ConfigNames: []string{r.Key}}
		found, err := admin.DescribeConfig(resource)
		if err != nil {
			return err
		}
		if len(found) != 1 {
			return fmt.Errorf("%d settings of the name %q", len(found), r.Key)
		}
		value = found[0].Value
		return nil
	})
	return value, err
}

func alterConfig(r ops.Request) error {
	entry := sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &r.Value}
	return withAdmin(func(admin sarama.ClusterAdmin) error {
		return admin.IncrementalAlterConfig(
			sarama.TopicResource, r.Topic, map[string]sarama.IncrementalAlterConfigsEntry{r.Key: entry}, false,
		)
	})
}

func createPartitions(r ops.Request) error {
	return withAdmin(func(admin sarama.ClusterAdmin) error {
		return admin.CreatePartitions(r.Topic, int32(r.Count), nil, false)
	})
}

func deleteTopic(r ops.Request) error {
	return withAdmin(func(admin sarama.ClusterAdmin) error { return admin.DeleteTopic(r.Topic) })
}

func encoder(bytes []byte) sarama.Encoder {
	if bytes == nil {
		return nil
	}
	return sarama.ByteEncoder(bytes)
}

func produce(r ops.Request) error {
	c := config()
	c.Producer.Compression = map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}[r.Codec]
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1
	c.Producer.MaxMessageBytes = 8_000_000
	c.Producer.Return.Successes = true
	c.Producer.Retry.Max = 3
	producer, err := sarama.NewSyncProducer(addresses, c)
	if err != nil {
		return err
	}
	defer producer.Close()
	var messages []*sarama.ProducerMessage
	for _, each := range r.Records {
		message := &sarama.ProducerMessage{
			Topic: r.Topic, Partition: each.P, Key: encoder(each.K), Value: encoder(each.V), Timestamp: time.UnixMilli(each.T),
		}
		for _, h := range each.H {
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(h.Name), Value: h.Value})
		}
		messages = append(messages, message)
	}
	err = producer.SendMessages(messages)
	var failed sarama.ProducerErrors
	if errors.As(err, &failed) {
		return failed[0].Err
	}
	return err
}

// readFrom reads `count` records from one offset.
func readFrom(r ops.Request, offset int64, count int) ([]ops.Record, error) {
	consumer, err := sarama.NewConsumer(addresses, config())
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(r.Topic, r.Partition, offset)
	if err != nil {
		return nil, err
	}
	defer partition.Close()
	got := []ops.Record{}
	late := time.After(ops.Deadline)
	for len(got) < count {
		select {
		case err := <-partition.Errors():
			return nil, err
		case <-late:
			return nil, fmt.Errorf("read %d records", len(got))
		case m := <-partition.Messages():
			record := ops.Record{P: m.Partition, O: m.Offset, K: m.Key, V: m.Value, T: m.Timestamp.UnixMilli(), H: []ops.Header{}}
			for _, h := range m.Headers {
				record.H = append(record.H, ops.Header{Name: string(h.Key), Value: h.Value})
			}
			got = append(got, record)
		}
	}
	return got, nil
}

func read(r ops.Request) ([]ops.Record, error) { return readFrom(r, r.From, r.Count) }

// seek opens the partition anew at each offset: this consumer cannot be moved.
func seek(r ops.Request) (got []ops.Record, err error) {
	for _, offset := range r.Offsets {
		found, err := readFrom(r, offset, 1)
		if err != nil {
			return nil, err
		}
		got = append(got, found...)
	}
	return got, nil
}

func offsets(r ops.Request) (answer []int64, err error) {
	err = withClient(func(client sarama.Client) error {
		for _, each := range r.Times {
			offset, err := client.GetOffset(r.Topic, r.Partition, each)
			if err != nil {
				return err
			}
			answer = append(answer, offset)
		}
		return nil
	})
	return answer, err
}

// taker hands records to the member and marks them; what is marked is committed before a partition is given up.
type taker struct{ member *ops.Member }

func (t taker) Setup(s sarama.ConsumerGroupSession) error {
	for _, partitions := range s.Claims() {
		t.member.Assign(partitions, true)
	}
	return nil
}

func (t taker) Cleanup(s sarama.ConsumerGroupSession) error {
	s.Commit()
	for _, partitions := range s.Claims() {
		t.member.Assign(partitions, false)
	}
	return nil
}

func (t taker) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case <-s.Context().Done():
			return nil
		case m, open := <-claim.Messages():
			if !open {
				return nil
			}
			t.member.Take(m.Partition, m.Offset)
			s.MarkMessage(m, "")
		}
	}
}

func join(r ops.Request, m *ops.Member, leaving <-chan struct{}) error {
	c := config()
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	c.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	c.Consumer.Group.Session.Timeout = 30 * time.Second
	group, err := sarama.NewConsumerGroup(addresses, r.Group, c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if err := group.Consume(ctx, []string{r.Topic}, taker{m}); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	go func() {
		for range group.Errors() {
			// Told to Consume as well, where it matters.
		}
	}()
	select {
	case <-leaving:
		cancel()
		err = <-failed
	case err = <-failed:
		cancel()
	}
	return errors.Join(err, group.Close())
}

func code(err error) (int, bool) {
	var known sarama.KError
	if errors.As(err, &known) {
		return int(known), true
	}
	return 0, false
}

func main() {
	ops.Serve(ops.Operations{
		Client: "sarama", Module: "github.com/IBM/sarama", Lacks: []string{"group consumer"},
		Metadata: metadata, CreateTopic: createTopic, ListTopics: listTopics, DescribeConfig: describeConfig,
		AlterConfig: alterConfig, CreatePartitions: createPartitions, DeleteTopic: deleteTopic,
		Produce: produce, Read: read, Seek: seek, Offsets: offsets, Join: join, Code: code,
	})
}
