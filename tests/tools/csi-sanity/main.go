// SPDX-License-Identifier: Apache-2.0

// csi-sanity-proxy stands between csi-sanity and a node plugin.  csi-sanity
// wants a Controller service to make volumes with and sends neither pod
// information nor readonly; the plugin has no Controller and insists on both.
// The proxy answers Controller from memory, says so in GetPluginCapabilities,
// adds what a kubelet would add to a publish, and passes everything else on.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

var (
	listen = flag.String("listen", "", "unix socket for csi-sanity")
	plugin = flag.String("plugin", "", "the plugin's csi.sock")
	pod    = flag.String("pod", "default/sanity", "NAMESPACE/NAME")
	uid    = flag.String("uid", "00000000-0000-0000-0000-000000000001", "the pod's uid")
	accnt  = flag.String("account", "default", "the pod's service account")
	secret = flag.String("external-secret", "sanity", "the attribute externalSecret")
	attrs  = attrFlag{}
)

type attrFlag map[string]string

func (a attrFlag) String() string { return "" }

func (a attrFlag) Set(s string) error {
	k, v, ok := strings.Cut(s, "=")
	if !ok {
		return fmt.Errorf("want KEY=VALUE")
	}
	a[k] = v
	return nil
}

// Identity: passed on, but for the one capability that is the proxy's.

type identity struct {
	csi.UnimplementedIdentityServer
	csi.IdentityClient
}

func (i *identity) GetPluginInfo(ctx context.Context, r *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return i.IdentityClient.GetPluginInfo(ctx, r)
}

func (i *identity) Probe(ctx context.Context, r *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return i.IdentityClient.Probe(ctx, r)
}

func (i *identity) GetPluginCapabilities(ctx context.Context, r *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	res, err := i.IdentityClient.GetPluginCapabilities(ctx, r)
	if err != nil {
		return nil, err
	}
	res.Capabilities = append(res.Capabilities, &csi.PluginCapability{
		Type: &csi.PluginCapability_Service_{
			Service: &csi.PluginCapability_Service{
				Type: csi.PluginCapability_Service_CONTROLLER_SERVICE,
			},
		},
	})
	return res, nil
}

// Node: passed on, a publish with what the kubelet would have added.

type node struct {
	csi.UnimplementedNodeServer
	csi.NodeClient
}

func (n *node) NodeGetInfo(ctx context.Context, r *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return n.NodeClient.NodeGetInfo(ctx, r)
}

func (n *node) NodeGetCapabilities(ctx context.Context, r *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return n.NodeClient.NodeGetCapabilities(ctx, r)
}

func (n *node) NodePublishVolume(ctx context.Context, r *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	ns, name, _ := strings.Cut(*pod, "/")
	more := map[string]string{
		"csi.storage.k8s.io/pod.name":            name,
		"csi.storage.k8s.io/pod.namespace":       ns,
		"csi.storage.k8s.io/pod.uid":             *uid,
		"csi.storage.k8s.io/serviceAccount.name": *accnt,
		"csi.storage.k8s.io/ephemeral":           "true",
		"externalSecret":                         *secret,
	}
	for k, v := range attrs {
		more[k] = v
	}
	if r.VolumeContext == nil {
		r.VolumeContext = map[string]string{}
	}
	for k, v := range more {
		r.VolumeContext[k] = v
	}
	r.Readonly = true
	return n.NodeClient.NodePublishVolume(ctx, r)
}

func (n *node) NodeUnpublishVolume(ctx context.Context, r *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	return n.NodeClient.NodeUnpublishVolume(ctx, r)
}

func (n *node) NodeGetVolumeStats(ctx context.Context, r *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	return n.NodeClient.NodeGetVolumeStats(ctx, r)
}

func (n *node) NodeStageVolume(ctx context.Context, r *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	return n.NodeClient.NodeStageVolume(ctx, r)
}

func (n *node) NodeUnstageVolume(ctx context.Context, r *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	return n.NodeClient.NodeUnstageVolume(ctx, r)
}

func (n *node) NodeExpandVolume(ctx context.Context, r *csi.NodeExpandVolumeRequest) (*csi.NodeExpandVolumeResponse, error) {
	return n.NodeClient.NodeExpandVolume(ctx, r)
}

// Controller: volumes in memory, as little as csi-sanity needs.

type controller struct {
	csi.UnimplementedControllerServer
	mu      sync.Mutex
	volumes map[string]*csi.Volume // by name; the id is made from it
}

func id(name string) string { return "sanity-" + name }

func bad(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

func (c *controller) byID(want string) (string, bool) {
	for name := range c.volumes {
		if id(name) == want {
			return name, true
		}
	}
	return "", false
}

func (c *controller) CreateVolume(_ context.Context, r *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if r.Name == "" || len(r.VolumeCapabilities) == 0 {
		return nil, bad("name and volume_capabilities are needed")
	}
	if len(r.Name) > 128 {
		return nil, bad("name is longer than 128 bytes")
	}
	if src := r.VolumeContentSource; src != nil {
		return nil, status.Error(codes.NotFound, "no such source")
	}
	size := r.GetCapacityRange().GetRequiredBytes()
	if limit := r.GetCapacityRange().GetLimitBytes(); limit != 0 && limit < size {
		return nil, bad("limit_bytes is below required_bytes")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.volumes[r.Name]
	if ok && v.CapacityBytes != size {
		return nil, status.Error(codes.AlreadyExists, "another size")
	}
	if !ok {
		v = &csi.Volume{VolumeId: id(r.Name), CapacityBytes: size}
		c.volumes[r.Name] = v
	}
	return &csi.CreateVolumeResponse{Volume: v}, nil
}

func (c *controller) DeleteVolume(_ context.Context, r *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if r.VolumeId == "" {
		return nil, bad("volume_id is needed")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if name, ok := c.byID(r.VolumeId); ok {
		delete(c.volumes, name)
	}
	return &csi.DeleteVolumeResponse{}, nil
}

func (c *controller) ValidateVolumeCapabilities(_ context.Context, r *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if r.VolumeId == "" || len(r.VolumeCapabilities) == 0 {
		return nil, bad("volume_id and volume_capabilities are needed")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byID(r.VolumeId); !ok {
		return nil, status.Error(codes.NotFound, "no such volume")
	}
	return &csi.ValidateVolumeCapabilitiesResponse{
		Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
			VolumeContext:      r.VolumeContext,
			VolumeCapabilities: r.VolumeCapabilities,
			Parameters:         r.Parameters,
		},
	}, nil
}

func (c *controller) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	return &csi.ControllerGetCapabilitiesResponse{
		Capabilities: []*csi.ControllerServiceCapability{{
			Type: &csi.ControllerServiceCapability_Rpc{
				Rpc: &csi.ControllerServiceCapability_RPC{
					Type: csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
				},
			},
		}},
	}, nil
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("csi-sanity-proxy: ")
	flag.Var(attrs, "attr", "another volume attribute, KEY=VALUE; repeatable")
	flag.Parse()
	if *listen == "" || *plugin == "" {
		log.Fatal("-listen and -plugin are needed")
	}
	conn, err := grpc.NewClient("unix:"+*plugin,
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	os.Remove(*listen)
	l, err := net.Listen("unix", *listen)
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer()
	csi.RegisterIdentityServer(s, &identity{IdentityClient: csi.NewIdentityClient(conn)})
	csi.RegisterNodeServer(s, &node{NodeClient: csi.NewNodeClient(conn)})
	csi.RegisterControllerServer(s, &controller{volumes: map[string]*csi.Volume{}})
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		s.Stop()
	}()
	if err := s.Serve(l); err != nil {
		log.Fatal(err)
	}
}
