# What the test alone wants of libvirt, beside the project's Vagrantfile: Vagrant reads it as that of VAGRANT_HOME.
# DOMAIN_TYPE is kvm, or qemu where a processor must be emulated; CONSOLES is a folder for the machines' first words.
require "yaml"

Vagrant.configure("2") do |config|
  config.vm.graceful_halt_timeout = 600
  config.vm.provider("libvirt") do |v|
    v.driver = ENV.fetch("DOMAIN_TYPE")
    # Of the processors that QEMU emulates whole, this one has instructions for AES.
    v.cpu_mode, v.cpu_model = "custom", "Westmere" if ENV["DOMAIN_TYPE"] == "qemu"
    v.disk_driver(cache: "unsafe")
    v.random(model: "random")
  end

  YAML.safe_load(File.read(ENV.fetch("HARDWAY_INVENTORY"))).fetch("hosts").each do |host|
    name = host.fetch("name")
    # Not a serial port of vagrant-libvirt 0.11, which cannot merge these with the settings of another Vagrantfile.
    file = "file,id=log,path=#{ENV.fetch("CONSOLES")}/#{name}.log"
    port = ["-chardev", file, "-device", "isa-serial,chardev=log,index=1"]
    config.vm.define(name) do |machine|
      machine.vm.provider("libvirt") { |v| port.each { |word| v.qemuargs(value: word) } }
    end
  end
end
