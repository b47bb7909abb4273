# Runs a Vagrantfile against objects that write down what they are told, and prints it as JSON.
# Usage: ruby vagrant_stub.rb VAGRANTFILE [VAGRANT'S ARGUMENTS]
require "etc"
require "json"
require "socket"

class Recorder
  def initialize(log, at = []) = (@log, @at = log, at)

  def method_missing(name, *args, **options, &block)
    provider = name == :provider ? [args.first] : []
    path = @at + [name.to_s.delete_suffix("=")] + provider
    @log << { "at" => path, "args" => args, "options" => options } unless args.empty? && options.empty?
    children = [Recorder.new(@log, path)]
    children << Recorder.new(@log, @at + ["override"] + provider) if name == :provider
    return if name == :ruby # what a trigger does later
    name == :define ? block.call(Recorder.new(@log, [args.first])) : block&.call(*children)
    children.first
  end

  def respond_to_missing?(*) = true
  def [](name) = nil

  def []=(name, value)
    @log << { "at" => @at + [name], "args" => [value], "options" => {} }
  end
end

module Vagrant
  VERSION = ENV.fetch("STUB_VERSION", "2.4.1")

  def self.configure(_version)
    log = []
    yield Recorder.new(log, ["config"])
    puts JSON.generate(log)
  end
end

# Another computer than this one: its network cards ([[name, address], …]) and its processor.
if (cards = ENV["STUB_CARDS"])
  Card = Struct.new(:name, :addr)
  found = JSON.parse(cards).map { |name, address| Card.new(name, Addrinfo.ip(address)) }
  Socket.define_singleton_method(:getifaddrs) { found }
end
if (machine = ENV["STUB_MACHINE"])
  Etc.define_singleton_method(:uname) { { machine: machine } }
end

file = ARGV.shift
load File.expand_path(file)
