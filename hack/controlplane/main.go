// Command controlplane holds the programs of a Kubernetes control plane in one
// executable. Linked together they share most of their code, so they compile
// once and take a third of the space. Which program runs is decided by the name
// it is called by, as with busybox: goldenami makes a symbolic link for each.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client-go's metrics, as the upstream commands register them
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	kubeapiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kubecontrollermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

// program is one of the commands in here.
type program struct {
	name string
	run  func()
}

var programs = []program{
	{"etcd", runEtcd},
	{"kube-apiserver", runAPIServer},
	{"kube-controller-manager", runControllerManager},
	{"kubectl", runKubectl},
}

func main() {
	called := filepath.Base(os.Args[0])
	wanted := slices.IndexFunc(programs, func(p program) bool { return p.name == called })
	if wanted < 0 {
		fmt.Fprintf(os.Stderr, "%s is none of the programs in here; link one of these names to it: %s\n", called, names())
		os.Exit(2)
	}
	programs[wanted].run()
}

func names() string {
	all := make([]string, len(programs))
	for i, p := range programs {
		all[i] = p.name
	}
	return strings.Join(all, ", ")
}

func runEtcd() {
	etcdmain.Main(os.Args)
}

func runAPIServer() {
	os.Exit(cli.Run(kubeapiserver.NewAPIServerCommand()))
}

func runControllerManager() {
	os.Exit(cli.Run(kubecontrollermanager.NewControllerManagerCommand()))
}

// runKubectl prints errors as kubectl does, which cli.Run would print in its own way.
func runKubectl() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
