// A copy job with franz-go's GroupTransactSession: what ../copy_job.py starts and kills.
// Arguments: bootstrap, group, input, output, transactional id.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func reversed(value []byte) []byte {
	turned := make([]byte, len(value))
	for i, b := range value {
		turned[len(value)-1-i] = b
	}
	return turned
}

func run(bootstrap, group, input, output, transactionalID string) error {
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumerGroup(group),
		kgo.InstanceID(transactionalID),
		kgo.ConsumeTopics(input),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(),
		kgo.TransactionalID(transactionalID),
		kgo.TransactionTimeout(30*time.Second),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.FetchMaxWait(200*time.Millisecond),
		kgo.ProducerLinger(0),
	)
	if err != nil {
		return err
	}
	defer session.Close()
	for {
		// Bounded steps, so that many transactions are under way when the kills come.
		fetches := session.PollRecords(context.Background(), 200)
		if fetches.IsClientClosed() {
			return nil
		}
		if fetches.Empty() {
			continue
		}
		if err := session.Begin(); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		first := kgo.AbortingFirstErrPromise(session.Client())
		fetches.EachRecord(func(record *kgo.Record) {
			copied := &kgo.Record{Topic: output, Partition: record.Partition, Value: reversed(record.Value)}
			session.Produce(context.Background(), copied, first.Promise())
		})
		failed := first.Err()
		committed, err := session.End(context.Background(), failed == nil)
		if err != nil {
			return fmt.Errorf("end: %w", err)
		}
		if committed {
			fmt.Println("committed")
		}
	}
}

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
