// Is every partition of a history linearizable? JSON lines in, one JSON verdict out.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
	"runtime"
	"sort"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// A partition is judged by itself: what is asked in it touches nothing outside of it.
type partition struct {
	Name       string      `json:"name"`
	OfPatient  bool        `json:"of_patient"`
	Slots      []Slot      `json:"slots"`
	Operations []operation `json:"operations"`
}

// Call and Return are in nanoseconds of the monotonic clock.
type operation struct {
	Answered
	Client int   `json:"client"`
	Call   int64 `json:"call"`
	Return int64 `json:"return"`
}

type verdict struct {
	Partitions int      `json:"partitions"`
	Operations int      `json:"operations"`
	Illegal    []string `json:"illegal"`
	Undecided  []string `json:"undecided"`
}

func main() {
	within, err := time.ParseDuration(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	json.NewEncoder(os.Stdout).Encode(judge(read(), within))
}

func read() []partition {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	decoder := json.NewDecoder(lines)
	found := []partition{}
	for decoder.More() {
		var next partition
		if err := decoder.Decode(&next); err != nil {
			log.Fatal(err)
		}
		found = append(found, next)
	}
	return found
}

func judge(partitions []partition, within time.Duration) verdict {
	said := verdict{Partitions: len(partitions), Illegal: []string{}, Undecided: []string{}}
	deadline := time.Now().Add(within)
	var lock sync.Mutex
	var all sync.WaitGroup
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, part := range partitions {
		said.Operations += len(part.Operations)
		all.Add(1)
		go func() {
			defer all.Done()
			turns <- struct{}{}
			defer func() { <-turns }()
			result := part.check(max(time.Until(deadline), time.Millisecond))
			lock.Lock()
			defer lock.Unlock()
			switch result {
			case porcupine.Illegal:
				said.Illegal = append(said.Illegal, part.Name)
			case porcupine.Unknown:
				said.Undecided = append(said.Undecided, part.Name)
			}
		}()
	}
	all.Wait()
	sort.Strings(said.Illegal)
	return said
}

func (p partition) check(within time.Duration) porcupine.CheckResult {
	slots := map[string]Slot{}
	for _, slot := range p.Slots {
		slots[slot.ID] = slot
	}
	history := make([]porcupine.Operation, 0, len(p.Operations))
	for _, each := range p.Operations {
		history = append(history, porcupine.Operation{
			ClientId: each.Client, Input: each.Answered, Call: each.Call, Return: each.Return,
		})
	}
	return porcupine.CheckOperationsTimeout(rules{slots, p.OfPatient}.model(), history, within)
}
