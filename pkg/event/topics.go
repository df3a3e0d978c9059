package event

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// TopicsVersion is the number of the list below. It grows with each change to it.
const TopicsVersion = 2

// Topic is one of the suite's, as a cluster must keep it.
type Topic struct {
	Name       string
	Partitions int           // for good: with one more a key's events would go on elsewhere, out of order
	Retention  time.Duration // at least
}

// topics is the only list of them. Six partitions, at the 2,000 events a second
// that one consumer applies, carry the evening peak of 10,000 lessons. Two weeks
// let a consumer that is away over the long holidays come back without a republish.
var topics = []Topic{
	{"rulebook.events", 6, 14 * 24 * time.Hour},
	{"licensing.events", 6, 14 * 24 * time.Hour},
	{"escrow.events", 6, 14 * 24 * time.Hour},
	{"escrow.contracts", 6, 14 * 24 * time.Hour},
	{"inspection.events", 6, 14 * 24 * time.Hour},
	{"tipoff.events", 6, 14 * 24 * time.Hour},
}

// Topics is every topic of the suite.
func Topics() []Topic { return slices.Clone(topics) }

// ErrTopics says that a cluster does not keep its topics as it must. No waiting
// mends that.
var ErrTopics = errors.New("topics are not as they must be")

// Cluster is a Kafka cluster as the suite needs it. Copies is how many of each
// event it keeps: 3, or 1 where there is one broker. A write counts once a
// majority of them has it.
type Cluster struct {
	Brokers []string
	Copies  int
}

func (c Cluster) client() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(c.Brokers...), Transport: transport}
}

// settings are t's, each with what it may be.
func (c Cluster) settings(t Topic) []setting {
	return []setting{
		{"cleanup.policy", "delete", false},
		{"min.insync.replicas", strconv.Itoa(c.Copies/2 + 1), true},
		{"retention.bytes", "-1", false},
		{"retention.ms", strconv.FormatInt(t.Retention.Milliseconds(), 10), true},
	}
}

// setting is a value that a topic must have, or more than it. -1 is without bound.
type setting struct {
	name, value string
	more        bool
}

func (s setting) met(got string) bool {
	if got == s.value {
		return true
	}
	n, nerr := strconv.ParseInt(got, 10, 64)
	want, werr := strconv.ParseInt(s.value, 10, 64)
	return s.more && nerr == nil && werr == nil && (n == -1 || n > want)
}

// Apply makes the topics that the cluster lacks and corrects the settings of the
// others, but takes nothing back that somebody raised. What it cannot mend, as a
// number of partitions, is ErrTopics. It may run again at any time.
func (c Cluster) Apply(ctx context.Context) error {
	states, err := c.describe(ctx)
	if err != nil {
		return err
	}
	var missing []kafka.TopicConfig
	var alter []kafka.IncrementalAlterConfigsRequestResource
	for _, t := range topics {
		state, there := states[t.Name]
		if !there {
			missing = append(missing, c.config(t))
		} else if wrong := c.correct(t, state); len(wrong.Configs) > 0 {
			alter = append(alter, wrong)
		}
	}
	if err := errors.Join(c.create(ctx, missing), c.alter(ctx, alter)); err != nil {
		return err
	}
	return c.Check(ctx)
}

// config is t as it is made.
func (c Cluster) config(t Topic) kafka.TopicConfig {
	config := kafka.TopicConfig{Topic: t.Name, NumPartitions: t.Partitions, ReplicationFactor: c.Copies}
	for _, s := range c.settings(t) {
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: s.name, ConfigValue: s.value})
	}
	return config
}

// correct is what to alter of t.
func (c Cluster) correct(t Topic, state state) kafka.IncrementalAlterConfigsRequestResource {
	wrong := kafka.IncrementalAlterConfigsRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: t.Name}
	for _, s := range c.settings(t) {
		if !s.met(state.settings[s.name]) {
			wrong.Configs = append(wrong.Configs, kafka.IncrementalAlterConfigsRequestConfig{Name: s.name, Value: s.value})
		}
	}
	return wrong
}

func (c Cluster) create(ctx context.Context, list []kafka.TopicConfig) error {
	if len(list) == 0 {
		return nil
	}
	made, err := c.client().CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: list})
	if err != nil {
		return err
	}
	for name, err := range made.Errors {
		if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) { // another was first
			return fmt.Errorf("make topic %s: %w", name, err)
		}
	}
	return nil
}

func (c Cluster) alter(ctx context.Context, list []kafka.IncrementalAlterConfigsRequestResource) error {
	if len(list) == 0 {
		return nil
	}
	altered, err := c.client().IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{Resources: list})
	if err != nil {
		return err
	}
	for _, r := range altered.Resources {
		if r.Error != nil {
			return fmt.Errorf("alter topic %s: %w", r.ResourceName, r.Error)
		}
	}
	return nil
}

// Check returns nil if the cluster keeps the topics as declared; ErrTopics, with
// all that is wrong, if it does not; another error if it cannot be asked.
func (c Cluster) Check(ctx context.Context) error {
	states, err := c.describe(ctx)
	if err != nil {
		return err
	}
	var wrong []string
	for _, t := range topics {
		wrong = append(wrong, c.wrong(t, states[t.Name])...)
	}
	auto, err := c.autoCreates(ctx)
	if err != nil {
		return err
	}
	if auto {
		wrong = append(wrong, "auto.create.topics.enable is true: a misspelt topic would be made, with the broker's defaults")
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%w (version %d of the list): %s", ErrTopics, TopicsVersion, strings.Join(wrong, "; "))
	}
	return nil
}

// wrong says what is, of t.
func (c Cluster) wrong(t Topic, state state) (list []string) {
	if state.partitions == 0 {
		return []string{t.Name + " does not exist"}
	}
	if state.partitions != t.Partitions {
		list = append(list, fmt.Sprintf("%s has %d partitions, must have %d", t.Name, state.partitions, t.Partitions))
	}
	if state.copies < c.Copies {
		list = append(list, fmt.Sprintf("%s has a replication factor of %d, must have %d", t.Name, state.copies, c.Copies))
	}
	for _, s := range c.settings(t) {
		if got := state.settings[s.name]; !s.met(got) {
			list = append(list, fmt.Sprintf("%s has %s=%s, must have %s", t.Name, s.name, got, s.value))
		}
	}
	if state.settings["unclean.leader.election.enable"] == "true" { // the embedded broker has no such setting
		list = append(list, t.Name+" has unclean.leader.election.enable=true, which loses acknowledged events")
	}
	return list
}

// state is a topic as it is.
type state struct {
	partitions, copies int // copies: of the partition that has the fewest
	settings           map[string]string
}

// describe returns those of the suite's topics that exist.
func (c Cluster) describe(ctx context.Context) (map[string]state, error) {
	var names []string
	for _, t := range topics {
		names = append(names, t.Name)
	}
	meta, err := c.client().Metadata(ctx, &kafka.MetadataRequest{Topics: names})
	if err != nil {
		return nil, err
	}
	states := make(map[string]state)
	var ask []kafka.DescribeConfigRequestResource
	for _, t := range meta.Topics {
		if errors.Is(t.Error, kafka.UnknownTopicOrPartition) {
			continue
		}
		if t.Error != nil && !errors.Is(t.Error, kafka.LeaderNotAvailable) {
			return nil, fmt.Errorf("topic %s: %w", t.Name, t.Error)
		}
		s := state{partitions: len(t.Partitions), settings: make(map[string]string)}
		for i, p := range t.Partitions {
			if i == 0 || len(p.Replicas) < s.copies {
				s.copies = len(p.Replicas)
			}
		}
		states[t.Name] = s
		ask = append(ask, kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: t.Name})
	}
	if len(ask) == 0 {
		return states, nil
	}
	configs, err := c.client().DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: ask})
	if err != nil {
		return nil, err
	}
	for _, r := range configs.Resources {
		if r.Error != nil {
			return nil, fmt.Errorf("settings of topic %s: %w", r.ResourceName, r.Error)
		}
		for _, e := range r.ConfigEntries {
			states[r.ResourceName].settings[e.ConfigName] = e.ConfigValue
		}
	}
	return states, nil
}

// autoCreates reports whether a broker makes topics that it is only asked about.
// The embedded one cannot, and does not say.
func (c Cluster) autoCreates(ctx context.Context) (bool, error) {
	meta, err := c.client().Metadata(ctx, &kafka.MetadataRequest{Topics: []string{}})
	if err != nil {
		return false, err
	}
	var ask []kafka.DescribeConfigRequestResource
	for _, b := range meta.Brokers {
		ask = append(ask, kafka.DescribeConfigRequestResource{
			ResourceType: kafka.ResourceTypeBroker, ResourceName: strconv.Itoa(b.ID), ConfigNames: []string{"auto.create.topics.enable"},
		})
	}
	configs, err := c.client().DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: ask})
	if err != nil {
		return false, err
	}
	for _, r := range configs.Resources {
		if r.Error != nil {
			return false, fmt.Errorf("settings of broker %s: %w", r.ResourceName, r.Error)
		}
		for _, e := range r.ConfigEntries {
			if e.ConfigName == "auto.create.topics.enable" && e.ConfigValue == "true" {
				return true, nil
			}
		}
	}
	return false, nil
}
