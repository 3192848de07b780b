// Writes the record of connections that crates/policy/tests/it/observed.rs reads: flows as Hubble's own types marshal them,
// which is what `hubble observe -o json` prints and what Cilium exports.
//
//	go run . > ../../crates/policy/tests/hubble.jsonl
package main

import (
	"encoding/json"
	"fmt"
	"os"

	flowpb "github.com/cilium/cilium/api/v1/flow"
	"github.com/cilium/cilium/api/v1/observer"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func pod(namespace, name string, workload *flowpb.Workload, labels ...string) *flowpb.Endpoint {
	end := &flowpb.Endpoint{ID: 17, Identity: 4711, ClusterName: "default", Namespace: namespace, PodName: name}
	for _, label := range labels {
		end.Labels = append(end.Labels, "k8s:"+label)
	}
	end.Labels = append(end.Labels, "k8s:io.cilium.k8s.policy.cluster=default", "k8s:io.kubernetes.pod.namespace="+namespace)
	if workload != nil {
		end.Workloads = []*flowpb.Workload{workload}
	}
	return end
}

func tcp(port uint32) *flowpb.Layer4 {
	return &flowpb.Layer4{Protocol: &flowpb.Layer4_TCP{TCP: &flowpb.TCP{SourcePort: 40000, DestinationPort: port, Flags: &flowpb.TCPFlags{SYN: true}}}}
}

func udp(port uint32) *flowpb.Layer4 {
	return &flowpb.Layer4{Protocol: &flowpb.Layer4_UDP{UDP: &flowpb.UDP{SourcePort: 40000, DestinationPort: port}}}
}

func main() {
	web := pod("shop", "web-7d4b9c6f5-x2x4z", &flowpb.Workload{Name: "web", Kind: "Deployment"}, "app=web")
	es := pod("obs", "es-0", &flowpb.Workload{Name: "es", Kind: "StatefulSet"}, "app=es", "app.kubernetes.io/name=es")
	agent := pod("obs", "agent-x2x4z", &flowpb.Workload{Name: "agent", Kind: "DaemonSet"}, "app=agent")
	unknown := pod("shop", "api-6d5f8b9c7-abcde", nil, "app=api", "tier=back")
	masked := &flowpb.Endpoint{Namespace: "default", PodName: "deathstar-7848d6c4d5-th9v2"}
	xwing := &flowpb.Endpoint{Namespace: "default", PodName: "xwing"}
	ordinal := &flowpb.Endpoint{Namespace: "default", PodName: "kafka-12"}
	dns := pod("kube-system", "coredns-5d78c9869d-4xkzt", &flowpb.Workload{Name: "coredns", Kind: "Deployment"}, "k8s-app=kube-dns")
	world := &flowpb.Endpoint{Identity: 2, Labels: []string{"reserved:world"}}
	host := &flowpb.Endpoint{Identity: 1, Labels: []string{"reserved:host"}}
	v4 := func(source, destination string) *flowpb.IP {
		return &flowpb.IP{Source: source, Destination: destination, IpVersion: flowpb.IPVersion_IPv4}
	}
	v6 := func(source, destination string) *flowpb.IP {
		return &flowpb.IP{Source: source, Destination: destination, IpVersion: flowpb.IPVersion_IPv6}
	}
	forwarded, dropped := flowpb.Verdict_FORWARDED, flowpb.Verdict_DROPPED
	no, yes := wrapperspb.Bool(false), wrapperspb.Bool(true)
	inside := v4("10.0.0.1", "10.0.0.2")
	flows := []*flowpb.Flow{
		{Verdict: forwarded, IP: inside, L4: tcp(9200), Source: web, Destination: es, IsReply: no, Type: flowpb.FlowType_L3_L4, TrafficDirection: flowpb.TrafficDirection_EGRESS},
		{Verdict: forwarded, IP: inside, L4: tcp(9200), Source: web, Destination: es, IsReply: no, TrafficDirection: flowpb.TrafficDirection_INGRESS},
		{Verdict: forwarded, IP: v4("10.0.0.2", "10.0.0.1"), L4: tcp(40000), Source: es, Destination: web, IsReply: yes},
		{Verdict: forwarded, IP: inside, L4: tcp(9300), Source: es, Destination: es, IsReply: no},
		{Verdict: forwarded, IP: inside, L4: udp(53), Source: web, Destination: dns, IsReply: no},
		{Verdict: forwarded, IP: v4("10.0.0.1", "203.0.113.7"), L4: tcp(443), Source: agent, Destination: world, IsReply: no},
		{Verdict: forwarded, IP: v6("2001:db8::9", "fd00::1"), L4: tcp(8443), Source: world, Destination: web, IsReply: no},
		{Verdict: forwarded, IP: v4("10.0.9.9", "10.0.0.1"), L4: tcp(8080), Source: host, Destination: web, IsReply: no},
		{Verdict: forwarded, IP: inside, L4: tcp(8080), Source: web, Destination: unknown, IsReply: no},
		{Verdict: forwarded, IP: inside, L4: tcp(80), Source: xwing, Destination: masked, IsReply: no},
		{Verdict: forwarded, IP: inside, L4: tcp(9092), Source: xwing, Destination: ordinal},
		{Verdict: forwarded, IP: inside, L4: &flowpb.Layer4{Protocol: &flowpb.Layer4_SCTP{SCTP: &flowpb.SCTP{SourcePort: 1, DestinationPort: 3868}}}, Source: web, Destination: unknown, IsReply: no},
		{Verdict: dropped, IP: inside, L4: tcp(22), Source: web, Destination: es, DropReasonDesc: flowpb.DropReason_POLICY_DENIED, IsReply: no},
		{Verdict: forwarded, IP: inside, L4: &flowpb.Layer4{Protocol: &flowpb.Layer4_ICMPv4{ICMPv4: &flowpb.ICMPv4{Type: 8}}}, Source: web, Destination: es},
		{Verdict: flowpb.Verdict_AUDIT, IP: inside, L4: tcp(23), Source: web, Destination: es, IsReply: no},
	}
	out := json.NewEncoder(os.Stdout)
	for index, flow := range flows {
		flow.Time = &timestamppb.Timestamp{Seconds: 1700000000 + int64(index)}
		flow.NodeName = "default/node-1"
		response := &observer.GetFlowsResponse{NodeName: flow.NodeName, Time: flow.Time, ResponseTypes: &observer.GetFlowsResponse_Flow{Flow: flow}}
		check(out.Encode(response))
	}
	// Older versions printed the flow itself.
	check(out.Encode(flows[0]))
	lost := &flowpb.LostEvent{Source: flowpb.LostEventSource_HUBBLE_RING_BUFFER, NumEventsLost: 3}
	check(out.Encode(&observer.GetFlowsResponse{ResponseTypes: &observer.GetFlowsResponse_LostEvents{LostEvents: lost}}))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
