# A Vagrant provider whose machines hardway's lab has made: for everything of Vagrant that is no hypervisor's part.
# Vagrant reads it as the Vagrantfile of VAGRANT_HOME. LAB_MACHINES is JSON: name -> what Vagrant is to know of its SSH.
require "json"
require "socket"

module LabProvider
  MACHINES = JSON.parse(ENV.fetch("LAB_MACHINES"), symbolize_names: true)

  class Plugin < Vagrant.plugin("2")
    name "machines of hardway's lab"
    provider("lab", box_optional: true) { Provider }
  end

  class Provider < Vagrant.plugin("2", :provider)
    def initialize(machine) = @machine = machine
    def ssh_info = MACHINES.fetch(@machine.name)
    def state = Vagrant::MachineState.new(@machine.id ? :running : :not_created, "", "")

    def action(name)
      steps = { up: [Make, Vagrant::Action::Builtin::Provision, Vagrant::Action::Builtin::WaitForCommunicator],
                provision: [Vagrant::Action::Builtin::Provision], destroy: [Unmake], ssh_run: [MustRun, Vagrant::Action::Builtin::SSHRun] }
      Vagrant::Action::Builder.new.tap { |builder| steps.fetch(name).each { |step| builder.use step } }
    end
  end

  # What surrounds the steps after it: a machine is there from now on.
  class Make
    def initialize(app, _) = @app = app

    def call(env)
      env[:machine].id = "made by the lab"
      @app.call(env)
    end
  end

  class MustRun < Make
    def call(env)
      Socket.tcp(MACHINES.fetch(env[:machine].name)[:host], 22, connect_timeout: 2).close
      @app.call(env)
    rescue SystemCallError
      raise Vagrant::Errors::VMNotRunningError
    end
  end

  class Unmake < Make
    def call(env)
      env[:machine].id = nil
      @app.call(env)
    end
  end
end
