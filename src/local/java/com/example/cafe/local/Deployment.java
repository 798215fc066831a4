package com.example.cafe.local;

import com.example.cafe.local.Provisioner.Provisioned;
import com.example.cafe.local.Provisioner.Resource;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executors;

/**
 * Creates the resources of template.yaml as CloudFormation does: parameters with their defaults, conditions, the SAM
 * transform, then every resource after those that it refers to, independent ones at the same time.
 */
final class Deployment {
  /** Types that have no effect on a laptop, with the attributes that templates read from them. */
  private static final Map<String, List<String>> WITHOUT_EFFECT = Map.ofEntries(
      Map.entry("AWS::EC2::VPC", List.of("VpcId", "CidrBlock", "DefaultSecurityGroup")),
      Map.entry("AWS::EC2::Subnet", List.of("SubnetId", "AvailabilityZone")),
      Map.entry("AWS::EC2::RouteTable", List.of("RouteTableId")),
      Map.entry("AWS::EC2::SubnetRouteTableAssociation", List.of("Id")),
      Map.entry("AWS::EC2::SecurityGroup", List.of("GroupId", "VpcId")),
      Map.entry("AWS::CloudWatch::Alarm", List.of("Arn")),
      Map.entry("AWS::CloudWatch::Dashboard", List.of()),
      Map.entry("AWS::Logs::LogGroup", List.of("Arn")),
      Map.entry("AWS::IAM::Role", List.of("Arn", "RoleId")),
      Map.entry("AWS::IAM::Policy", List.of("Id")),
      Map.entry("AWS::IAM::ManagedPolicy", List.of("PolicyArn")));
  /** Of these a developer is told at start that they do not run here. */
  private static final String[] NAMED = {"AWS::EC2::", "AWS::CloudWatch::"};

  private final Settings settings;
  private final Map<String, Provisioner> provisioners = new HashMap<>();
  private final Map<String, String> physicalIds = new LinkedHashMap<>();
  private final Map<String, String> types = new LinkedHashMap<>();
  private final Map<String, String> outputs = new LinkedHashMap<>();
  private final List<String> notRun = new ArrayList<>();

  /** @param custom creates custom resources (Custom::… and AWS::CloudFormation::CustomResource) */
  Deployment(Settings settings, List<Service> services, Provisioner custom) {
    this.settings = settings;
    services.forEach(service -> provisioners.putAll(service.provisioners()));
    WITHOUT_EFFECT.forEach((type, attributes) -> provisioners.put(type, resource -> withoutEffect(resource, attributes)));
    provisioners.put("AWS::CloudFormation::CustomResource", custom);
    provisioners.put("Custom::", custom);
  }

  /**
   * Creates everything in the template.
   *
   * @throws IllegalArgumentException naming what in the template is wrong or cannot run here
   */
  void deploy() {
    var file = settings.project().resolve("template.yaml");
    var template = (ObjectNode) Yaml.read(file);
    template.fieldNames().forEachRemaining(section -> {
      if (!java.util.Set.of("AWSTemplateFormatVersion", "Transform", "Description", "Metadata", "Parameters", "Mappings",
          "Conditions", "Globals", "Resources", "Outputs").contains(section)) {
        throw new IllegalArgumentException("template.yaml: section " + section + " is not supported");
      }
    });
    var intrinsics = new Intrinsics(template, settings.project(), Map.of());
    var included = (ObjectNode) intrinsics.include(template);
    var resources = SamTransform.apply(included, settings.project());
    for (var id : names(resources)) {
      var condition = Json.text(resources.get(id), "Condition");
      if (condition != null && !intrinsics.holds(condition)) {
        resources.remove(id);
      }
    }
    refuseUnknownTypes(resources);
    create(resources, intrinsics);
    for (var output : included.withObject("/Outputs").properties()) {
      var condition = Json.text(output.getValue(), "Condition");
      if (condition == null || intrinsics.holds(condition)) {
        outputs.put(output.getKey(), intrinsics.resolve(output.getValue().path("Value")).asText());
      }
    }
  }

  private void refuseUnknownTypes(ObjectNode resources) {
    var unknown = new ArrayList<String>();
    for (var id : names(resources)) {
      var type = resources.path(id).path("Type").asText();
      if (provisioner(type) == null) {
        unknown.add(id + " (" + type + ")");
      }
      types.put(id, type);
      for (var prefix : NAMED) {
        if (type.startsWith(prefix)) {
          notRun.add(id);
        }
      }
    }
    if (!unknown.isEmpty()) {
      throw new IllegalArgumentException("template.yaml uses what the local cloud cannot run: " + String.join(", ", unknown));
    }
  }

  private @org.jspecify.annotations.Nullable Provisioner provisioner(String type) {
    return provisioners.get(type.startsWith("Custom::") ? "Custom::" : type);
  }

  /** Starts every resource as soon as those it refers to are there. */
  private void create(ObjectNode resources, Intrinsics intrinsics) {
    var dependencies = dependencies(resources, intrinsics);
    var order = order(dependencies);
    var created = new HashMap<String, CompletableFuture<Void>>();
    try (var executor = Executors.newVirtualThreadPerTaskExecutor()) {
      for (var id : order) {
        var before = dependencies.get(id).stream().map(created::get).toArray(CompletableFuture[]::new);
        created.put(id, CompletableFuture.allOf(before).thenRunAsync(() -> create(id, resources.get(id), intrinsics), executor));
      }
      CompletableFuture.allOf(created.values().toArray(CompletableFuture[]::new)).join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException cause ? cause : e;
    }
  }

  private void create(String id, JsonNode resource, Intrinsics intrinsics) {
    var type = resource.path("Type").asText();
    try {
      var properties = (ObjectNode) intrinsics.resolve(resource.path("Properties").isMissingNode() ? Json.object() : resource.get("Properties"));
      var provisioned = java.util.Objects.requireNonNull(provisioner(type))
          .provision(new Resource(id, type, Settings.STACK + "-" + id, properties));
      intrinsics.created(id, provisioned);
      synchronized (physicalIds) {
        physicalIds.put(id, provisioned.ref());
      }
    } catch (IllegalArgumentException | AwsException | IllegalStateException e) {
      throw new IllegalArgumentException("resource " + id + " (" + type + "): " + e.getMessage(), e);
    }
  }

  private Map<String, List<String>> dependencies(ObjectNode resources, Intrinsics intrinsics) {
    var result = new LinkedHashMap<String, List<String>>();
    for (var id : names(resources)) {
      var needed = new TreeSet<>(intrinsics.references(resources.get(id).path("Properties")));
      var dependsOn = resources.get(id).path("DependsOn");
      if (dependsOn.isTextual()) {
        needed.add(dependsOn.asText());
      }
      dependsOn.forEach(other -> needed.add(other.asText()));
      result.put(id, needed.stream().filter(resources::has).filter(other -> !other.equals(id)).toList());
    }
    return result;
  }

  private static List<String> order(Map<String, List<String>> dependencies) {
    var order = new ArrayList<String>();
    var open = new TreeSet<>(dependencies.keySet());
    while (!open.isEmpty()) {
      var free = open.stream().filter(id -> order.containsAll(dependencies.get(id))).toList();
      if (free.isEmpty()) {
        throw new IllegalArgumentException("circular dependency between resources: " + String.join(", ", open));
      }
      order.addAll(free);
      open.removeAll(free);
    }
    return order;
  }

  private static List<String> names(ObjectNode object) {
    var names = new ArrayList<String>();
    object.fieldNames().forEachRemaining(names::add);
    return names;
  }

  private static Provisioned withoutEffect(Resource resource, List<String> attributes) {
    var values = new HashMap<String, String>();
    for (var attribute : attributes) {
      values.put(attribute, attribute.endsWith("Arn") ? arn(resource) : resource.name());
    }
    return new Provisioned(resource.type().equals("AWS::IAM::ManagedPolicy") ? arn(resource) : resource.name(), values);
  }

  private static String arn(Resource resource) {
    return switch (resource.type()) {
      case "AWS::IAM::Role" -> "arn:aws:iam::" + Settings.ACCOUNT + ":role/" + resource.name();
      case "AWS::IAM::ManagedPolicy" -> "arn:aws:iam::" + Settings.ACCOUNT + ":policy/" + resource.name();
      case "AWS::Logs::LogGroup" -> Settings.arn("logs", "log-group:" + resource.properties().path("LogGroupName").asText(resource.name()) + ":*");
      case "AWS::CloudWatch::Alarm" -> Settings.arn("cloudwatch", "alarm:" + resource.name());
      default -> Settings.arn(resource.type().split("::")[1].toLowerCase(java.util.Locale.ROOT), resource.name());
    };
  }

  /** Logical id to type, in the template's order, with what SAM generates. */
  Map<String, String> types() {
    return types;
  }

  /** Logical id to physical id. */
  Map<String, String> physicalIds() {
    return physicalIds;
  }

  /** The stack's outputs. */
  Map<String, String> outputs() {
    return outputs;
  }

  /** Resources of the template that exist in an account but do nothing here: network, alarms. */
  List<String> notRun() {
    return notRun;
  }
}
