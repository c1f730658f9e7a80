#include "apps/patina/start/pilot_methods.h"

namespace patina::cli {

namespace {
using Pairs = std::vector<std::pair<const char*, const char*>>;
}

const std::vector<PilotMethod>& pilot_methods() {
  static const Pairs adapter = {{"ffn_num", "adapter.bottleneck"}};
  static const Pairs prompts = {{"prompt_token_num", "prompt_tokens"}};
  static const Pairs pool = {{"size", "pool"},
                             {"length", "length"},
                             {"top_k", "chosen"},
                             {"pull_constraint_coeff", "pull"}};
  static const Pairs aligned = {{"ca_epochs", "alignment.epochs"},
                                {"ca_with_logit_norm", "temperature"},  // check: word
                                {"bcb_lrscale", "backbone_lr_factor"}};
  static const Pairs coma = [] {
    Pairs all = aligned;
    all.emplace_back("wt_lambda", "part");
    return all;
  }();
  static const std::vector<PilotMethod> list = {
      {"simplecil", "simplecil", "", {}},
      {"aper_adapter", "aper", "adapter", adapter},
      {"aper_finetune", "aper", "finetune", {}},
      {"aper_ssf", "aper", "ssf", {}},
      {"aper_vpt", "aper", "vpt_deep", prompts},  // or vpt_shallow, which vpt_type tells
      {"ranpac", "ranpac", "adapter", {{"ffn_num", "adapter.bottleneck"}, {"M", "projection"}}},
      {"fecam", "fecam", "adapter", adapter},
      {"l2p", "l2p", "", pool},
      {"dualprompt",
       "dualprompt",
       "",
       {{"g_prompt_length", "general_length"},
        {"length", "expert_length"},
        {"g_prompt_layer_idx", "general_layers"},
        {"e_prompt_layer_idx", "expert_layers"},
        {"pull_constraint_coeff", "pull"}}},
      {"coda_prompt", "coda_prompt", "", {}},
      {"finetune", "finetune", "", {}},
      {"icarl", "icarl", "", {{"T", "temperature"}}},
      {"der", "der", "", {}},
      {"coil",
       "coil",
       "",
       {{"sinkhorn", "regularization"}, {"reg_term", "weight"}, {"T", "temperature"}}},
      {"foster",
       "foster",
       "",
       {{"compression_epochs", "compress_epochs"},
        {"beta1", "boost_beta"},
        {"beta2", "compress_beta"},
        {"lambda_okd", "distill"},
        {"T", "temperature"}}},
      {"memo", "memo", "", {{"alpha_aux", "auxiliary"}}},
      {"ease",
       "ease",
       "",
       {{"ffn_num", "adapter.bottleneck"}, {"alpha", "alpha"}, {"recalc_sim", "recompute"}}},
      {"slca", "slca", "", aligned},
      {"cofima", "cofima", "", coma},
      {"lae", "lae", "", {{"num_freeze_epochs", "frozen_epochs"}, {"ema_decay", "keep"}}},
      {"dgr",
       "dgr",
       "",
       {{"lambda", "distill"}, {"gammar_r", "attenuation"}, {"T", "temperature"}}},
      {"mos",
       "mos",
       "",
       {{"ffn_num", "adapter.bottleneck"},
        {"reg", "separation"},
        {"adapter_momentum", "pull"},
        {"ensemble", "ensemble"},
        {"crct_epochs", "alignment.epochs"},
        {"ca_lr", "alignment.lr"}}},
      {"duct",
       "duct",
       "",
       {{"merge_scalar", "merged"},
        {"head_merge_ratio", "transported"},
        {"bcb_lr_scale", "backbone_lr_factor"},
        {"ot_reg", "regularization"},
        {"epc_re", "retrain_epochs"}}},
  };
  return list;
}

const std::map<std::string, std::string>& pilot_unneeded() {
  static const std::map<std::string, std::string> all = {
      {"prefix", "it names PILOT's log"},
      {"model_postfix", "it names PILOT's log"},
      {"device", "[engine] device says where to compute"},
      {"num_workers", "patina decodes on all threads"},
      {"debug", "it is of PILOT's own development"},
      {"pretrained", "the backbone is given by model.name"},
      {"get_original_backbone", "queries are always those of the pre-trained network"},
      {"ca_storage_efficient_method_choices", "it lists what another key may be"}};
  return all;
}

const std::vector<PilotTrainingKey>& pilot_training_keys() {
  static const std::vector<PilotTrainingKey> keys = {
      {"epochs",
       {"tuned_epoch", "epochs", "later_epochs", "boosting_epochs", "init_epoch", "init_epochs"}},
      {"lr", {"lrate", "lr", "later_lr", "init_lr"}},
      {"weight_decay", {"weight_decay", "init_weight_decay"}},
      {"milestones", {"milestones", "init_milestones"}},
      {"gamma", {"lrate_decay", "init_lr_decay"}},
      {"batch_size", {"batch_size"}},
      {"min_lr", {"min_lr"}},
      {"optimizer", {"optimizer"}}};
  return keys;
}

}  // namespace patina::cli
