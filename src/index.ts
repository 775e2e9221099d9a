/** kuberules as a library: read, plan and compile as pure functions. */
export type { BackendText, PartName } from './backends/backend.js';
export {
  type Compiled,
  type CompileOptions,
  compile,
  createCompiler,
  type Part,
  partText,
} from './backends/compile.js';
export {
  type InterfaceAddress,
  normalAddresses,
  printAddresses,
  type ReadAddressesResult,
  readAddresses,
} from './backends/ipvs/addresses-text.js';
export {
  type IpSet,
  type IpSetEntry,
  type IpSetOption,
  type NormalIpSet,
  normalIpset,
  printIpset,
  type ReadIpsetResult,
  readIpset,
} from './backends/ipvs/ipset-text.js';
export {
  type IpvsTable,
  type NormalVirtualServer,
  normalIpvs,
  printIpvsadm,
  type ReadIpvsResult,
  type RealServer,
  readIpvsadm,
  type ServiceAddress,
  serviceKey,
  type VirtualServer,
} from './backends/ipvs/ipvsadm-text.js';
export { MODE_DIFFERENCES, type ModeDifference } from './backends/modes.js';
export {
  compareNormalTables,
  type NftDifference,
  type NormalChain,
  type NormalCollection,
  type NormalTable,
  normalTable,
} from './backends/nftables/normal-form.js';
export { normalStatementsOf } from './backends/nftables/normal-statements.js';
export { type NftOwner, type NftOwnerKind, ownerOf } from './backends/nftables/owners.js';
export { printNftJson } from './backends/nftables/print-json.js';
export { printNftListing } from './backends/nftables/print-listing.js';
export { printExpression, printStatement, printStatements } from './backends/nftables/print-rule.js';
export {
  type NftTableName,
  printNftChainCommand,
  printNftCollectionCommand,
  printNftElementCommand,
  printNftRuleCommand,
  printNftScript,
} from './backends/nftables/print-script.js';
export type { ReadNftResult } from './backends/nftables/problem.js';
export { readNftJson } from './backends/nftables/read-json.js';
export { readNftListing } from './backends/nftables/read-listing.js';
export { statementsOf } from './backends/nftables/read-rule.js';
export { readNftScript } from './backends/nftables/read-script.js';
export { layoutOf, type NftLayout, readNft, recogniseNft } from './backends/nftables/recognise.js';
export {
  chainsOf,
  collectionsOf,
  kubeProxyTables,
  type NftBaseChain,
  type NftChain,
  type NftCollection,
  type NftElement,
  type NftForm,
  type NftObject,
  type NftOther,
  type NftRule,
  type NftRuleSet,
  type NftTable,
} from './backends/nftables/rule-set.js';
export type {
  NftEntries,
  NftExpression,
  NftOperator,
  NftReference,
  NftStatement,
  NftTranslation,
  NftVerdict,
  NftVerdicts,
} from './backends/nftables/statements.js';
export { type Fraction, printFraction } from './backends/packet/fraction.js';
export {
  type Hook,
  type HookFunction,
  type Interface,
  type Packet,
  type RuleReference,
  type Step,
  UnknownRule,
  type World,
} from './backends/packet/packet.js';
export type { Fate, Outcome as TraceOutcome } from './backends/packet/walk.js';
export { type DumpKind, type Recognised, recogniseDump } from './backends/recognise.js';
export { normalRule, normalRuleText } from './backends/xtables/normal-rule.js';
export { type ChainOwner, chainOwner, type XtablesMode } from './backends/xtables/owner.js';
export type {
  AddressTypes,
  Match,
  NatRange,
  PortProtocol,
  PortRange,
  RuleOption,
  RuleSpec,
  Target,
  UnknownExtension,
} from './backends/xtables/rule.js';
export { printSetup, type ReadSetupResult, readSetup, type SetupStep } from './backends/xtables/setup-text.js';
export {
  type ChainDeletion,
  type ChainLine,
  type Counters,
  type NoteLine,
  printTableLine,
  printXtables,
  type ReadXtablesResult,
  readXtables,
  ruleOf,
  type TableLine,
  withRule,
  type XtablesChain,
  type XtablesRule,
  type XtablesTable,
  type XtablesText,
  xtablesChains,
  xtablesTable,
} from './backends/xtables/text.js';
export { PROBABILITY_ONE, shareOf } from './backends/xtables/values.js';
export { type Asked, askTrace, type TraceAnswer, type TraceRequest } from './inspect/ask.js';
export type { RouteRequest } from './inspect/destinations.js';
export {
  type CommonEffect,
  type DiffOptions,
  type DiffSide,
  diffTraffic,
  type ModeChange,
  type TrafficDiff,
} from './inspect/diff/diff.js';
export type { RulesDiff } from './inspect/diff/rules.js';
export type { Effect, ServiceChange, SettingChange, WayChange } from './inspect/diff/services.js';
export { type DnsOptions, type DnsZones, dnsZones } from './inspect/dns.js';
export { type DnsRecord, type DnsSource, type DnsType, type DnsZone, zoneLines } from './inspect/dns-zone.js';
export type { Destination, Sender, Surroundings } from './inspect/ends.js';
export { type EnvVariable, type PodEnvironment, podEnvironment } from './inspect/env.js';
export { type ExplainContext, type ExplainStart, explainContext } from './inspect/explain/context.js';
export { type Explained, type ExplainKind, explain } from './inspect/explain/explain.js';
export type {
  AddressExplanation,
  Decision,
  EndpointExplanation,
  Explanation,
  LineExplanation,
  LinesExplanation,
  NameExplanation,
  NameMeaning,
  PortExplanation,
  RuleLine,
  RuleObject,
  ServiceExplanation,
  Setting,
} from './inspect/explain/model.js';
export type { Check, Finding, Involved, LintSeverity, Need } from './inspect/lint/check.js';
export type { LintInput } from './inspect/lint/cluster.js';
export {
  LINT_CHECKS,
  LINT_IGNORE_ANNOTATION,
  type LintCode,
  type LintOptions,
  type LintResult,
  lint,
} from './inspect/lint/lint.js';
export { indexPods, type PodIndex } from './inspect/pods.js';
export { findRoute, type Route, type Routed } from './inspect/route.js';
export { type KernelRules, rulesOfDumps, rulesOfParts } from './inspect/rule-texts.js';
export { type FateShare, type Trace, type TraceQuestion, tracePacket } from './inspect/trace.js';
export {
  type Answer,
  answerOf,
  type Reaches,
  SENDERS,
  type SeenSource,
  type SenderKind,
  type TrafficModel,
  trafficModel,
  type WayIn,
  type WayKind,
} from './inspect/traffic.js';
export type { DumpText } from './inspect/verify/dumps.js';
export {
  type DumpPlace,
  VERIFY_CODES,
  type VerifyCode,
  type VerifyDetail,
  type VerifyFinding,
  type VerifySeverity,
} from './inspect/verify/finding.js';
export { type VerifyInput, type VerifyResult, verify } from './inspect/verify/verify.js';
export {
  DEFAULT_CONFIG,
  type DetectLocalMode,
  type IpvsConfig,
  PROXY_MODES,
  type ProxyConfig,
  type ProxyMode,
  readConfig,
} from './kube/config.js';
export {
  DIAGNOSTIC_CODES,
  type Diagnostic,
  type DiagnosticCode,
  type FieldPath,
  hasErrors,
  type Origin,
  type Place,
  type Severity,
} from './kube/diagnostics.js';
export type { EndpointSlice, SliceEndpoint, SlicePort } from './kube/endpointslice.js';
export { type LoadedCluster, loadCluster, located } from './kube/load.js';
export { placeDiagnostics } from './kube/locate.js';
export type { Node } from './kube/node.js';
export type { LocatedObject, RawObject, SourceText } from './kube/objects.js';
export { type Pod, readPods } from './kube/pod.js';
export { readObjects } from './kube/read.js';
export type { Service, ServicePort, ServiceType, TrafficPolicy } from './kube/service.js';
export type { ServiceCIDR } from './kube/service-cidr.js';
export { type SimulateOptions, simulate } from './kube/simulate/simulate.js';
export { type ClusterState, emptyState, type ServiceEntry } from './kube/state.js';
export { applyWatchEvent, type WatchEventType } from './kube/watch.js';
export { type ByFamily, FAMILIES, type Family } from './net/family.js';
export type { Cidr, IpAddress } from './net/ip.js';
export type { Protocol } from './net/protocol.js';
export { chooseNode, familiesOf, type NodeChoice } from './plan/choose-node.js';
export type { Contradiction, Endpoint, Topology } from './plan/endpoints.js';
export type { LocalDetector, NodeFacts, NodePortAddresses } from './plan/node.js';
export { createPlanner, type NodePlan, type PlanSettings, planNode } from './plan/plan.js';
export type { ContradictoryEndpoint, Outcome, ServicePortPlan } from './plan/service-port.js';
