// Command truth tells deploy/check, which is a module of its own, what the code
// says of itself: topics, figures, labels. It prints one JSON document.
package main

import (
	"encoding/json"
	"os"

	"xunguan/pkg/event"
	"xunguan/pkg/metric"
)

type truth struct {
	Topics  map[string]int    `json:"topics"`  // partitions by name
	Figures map[string]string `json:"figures"` // kind by the name in Prometheus
	Labels  []string          `json:"labels"`
}

func main() {
	t := truth{Topics: make(map[string]int), Figures: make(map[string]string), Labels: metric.Labels}
	for _, topic := range event.Topics() {
		t.Topics[topic.Name] = topic.Partitions
	}
	for _, f := range metric.All {
		t.Figures[f.Prometheus()] = string(f.Kind)
	}
	if err := json.NewEncoder(os.Stdout).Encode(t); err != nil {
		os.Exit(1)
	}
}
