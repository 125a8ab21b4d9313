// Package ops is what the Go programs share: a loop that reads one JSON request a line and answers each with one line.
//
// ../../CONTRACT.md says which operations there are. A program fills in Operations; an error that one returns becomes
// {"error": …} with Kafka's code where Code finds it.
package ops

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"sort"
	"sync"
	"time"
)

// Deadline of one operation.
const Deadline = 40 * time.Second

// Bootstrap is the address of the server.
var Bootstrap = os.Getenv("BOOTSTRAP")

// Header is a name and its value, as [name, base64] on the line.
type Header struct {
	Name  string
	Value []byte
}

func (h Header) MarshalJSON() ([]byte, error) { return json.Marshal([2]any{h.Name, h.Value}) }

func (h *Header) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[2]any{&h.Name, &h.Value})
}

// Record as it is produced and read. A nil key or value is null; T is milliseconds.
type Record struct {
	P int32    `json:"p"`
	O int64    `json:"o"`
	K []byte   `json:"k"`
	V []byte   `json:"v"`
	H []Header `json:"h"`
	T int64    `json:"t"`
}

// Request has the fields of every operation.
type Request struct {
	Op         string            `json:"op"`
	Topic      string            `json:"topic"`
	Partitions int32             `json:"partitions"`
	Partition  int32             `json:"partition"`
	Configs    map[string]string `json:"configs"`
	Key        string            `json:"key"`
	Value      string            `json:"value"`
	Count      int               `json:"count"`
	Codec      string            `json:"codec"`
	Records    []Record          `json:"records"`
	From       int64             `json:"from"`
	Offsets    []int64           `json:"offsets"`
	Times      []int64           `json:"times"`
	Group      string            `json:"group"`
	Protocol   string            `json:"protocol"`
}

// Partition of a topic and the id of its leader.
type Partition struct {
	ID     int32 `json:"id"`
	Leader int32 `json:"leader"`
}

// Metadata is the answer of the operation of that name.
type Metadata struct {
	Brokers    []int32     `json:"brokers"`
	Partitions []Partition `json:"partitions"`
}

// Operations of one client. Hello names the client, its version, and the checks that it has nothing for.
type Operations struct {
	Client, Module   string
	Lacks            []string
	Metadata         func(Request) (Metadata, error)
	CreateTopic      func(Request) error
	ListTopics       func() ([]string, error)
	DescribeConfig   func(Request) (string, error)
	AlterConfig      func(Request) error
	CreatePartitions func(Request) error
	DeleteTopic      func(Request) error
	Produce          func(Request) error
	Read             func(Request) ([]Record, error)
	Seek             func(Request) ([]Record, error)
	Offsets          func(Request) ([]int64, error)
	// Join runs a member of a group until `leaving` is closed; what it took goes to the Member.
	Join func(Request, *Member, <-chan struct{}) error
	Code func(error) (int, bool)
}

// Member gathers what a member of a group took and which partitions it has.
type Member struct {
	lock     sync.Mutex
	taken    [][2]int64
	assigned map[int32]bool
	leaving  chan struct{}
	done     chan error
}

// Take notes one record.
func (m *Member) Take(partition int32, offset int64) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.taken = append(m.taken, [2]int64{int64(partition), offset})
}

// Assign notes that the member owns these partitions from now on, or no longer.
func (m *Member) Assign(partitions []int32, owned bool) {
	m.lock.Lock()
	defer m.lock.Unlock()
	for _, each := range partitions {
		m.assigned[each] = owned
	}
}

func (m *Member) take() (any, error) {
	select {
	case err := <-m.done:
		m.done <- err
		if err != nil {
			return nil, err
		}
	default:
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	assigned := []int{}
	for partition, owned := range m.assigned {
		if owned {
			assigned = append(assigned, int(partition))
		}
	}
	sort.Ints(assigned)
	taken := m.taken
	m.taken = nil
	if taken == nil {
		taken = [][2]int64{}
	}
	return map[string]any{"records": taken, "assigned": assigned}, nil
}

func (m *Member) leave() (any, error) {
	close(m.leaving)
	select {
	case err := <-m.done:
		m.done <- err
		return m.take()
	case <-time.After(Deadline):
		return nil, fmt.Errorf("the member did not leave in time")
	}
}

func version(module string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, each := range info.Deps {
			if each.Path == module {
				return each.Version
			}
		}
	}
	return "unknown"
}

// Serve answers requests until the input ends.
func Serve(o Operations) {
	var member *Member
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var r Request
		var result any
		err := json.Unmarshal(lines.Bytes(), &r)
		if err == nil {
			switch r.Op {
			case "hello":
				lacks := o.Lacks
				if lacks == nil {
					lacks = []string{}
				}
				result = map[string]any{"client": o.Client, "version": version(o.Module), "lacks": lacks}
			case "metadata":
				result, err = o.Metadata(r)
			case "createTopic":
				err = o.CreateTopic(r)
			case "listTopics":
				result, err = o.ListTopics()
			case "describeConfig":
				result, err = o.DescribeConfig(r)
			case "alterConfig":
				err = o.AlterConfig(r)
			case "createPartitions":
				err = o.CreatePartitions(r)
			case "deleteTopic":
				err = o.DeleteTopic(r)
			case "produce":
				err = o.Produce(r)
			case "read":
				result, err = o.Read(r)
			case "seek":
				result, err = o.Seek(r)
			case "offsets":
				result, err = o.Offsets(r)
			case "join":
				member = &Member{assigned: map[int32]bool{}, leaving: make(chan struct{}), done: make(chan error, 2)}
				go func(m *Member) { m.done <- o.Join(r, m, m.leaving) }(member)
			case "take":
				result, err = member.take()
			case "leave":
				result, err = member.leave()
			default:
				err = fmt.Errorf("unknown operation %q", r.Op)
			}
		}
		if err == nil {
			_ = out.Encode(map[string]any{"ok": result})
			continue
		}
		failure := map[string]any{"code": nil, "message": err.Error()}
		if code, ok := o.Code(err); ok {
			failure["code"] = code
		}
		_ = out.Encode(map[string]any{"error": failure})
	}
}
